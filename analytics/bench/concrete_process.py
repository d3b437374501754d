"""The program that times Concrete ML on given bin codes, run by `concrete` in an environment of its own.

Arguments: an .npz with `training`, `outcome` and `test`, the number of trees, their depth. The last line of
output is a JSON object with the median time of one encrypted prediction.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module

import numpy as np


def main() -> None:
    """Train, compile, make keys, and time encrypted predictions one by one."""
    given = np.load(sys.argv[1])
    # Concrete ML is not installed where this file is checked.
    classifier = import_module("concrete.ml.sklearn").XGBClassifier
    # Five bits hold the 17 codes of 16 bins and missing: the least that leaves the features as they are.
    model = classifier(n_bits=5, n_estimators=int(sys.argv[2]), max_depth=int(sys.argv[3]), learning_rate=0.1)
    model.fit(given["training"], given["outcome"])
    circuit = model.compile(given["training"])
    circuit.client.keygen(force=True)
    cpu, wall = [], []
    for row in given["test"]:
        # Its arithmetic runs in threads of its own, so the CPU time is the process's.
        started, clock = time.process_time(), time.perf_counter()
        model.predict_proba(row[None], fhe="execute")
        cpu.append(1e3 * (time.process_time() - started))
        wall.append(1e3 * (time.perf_counter() - clock))
    keys = len(circuit.client.evaluation_keys.serialize())
    found = {"cpu_ms": float(np.median(cpu)), "wall_ms": float(np.median(wall)), "keys_bytes": keys}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
