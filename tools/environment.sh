#!/bin/sh
# Make the virtual environment, or make it anew where it can't be used any more; else do nothing.
#
#     sh tools/environment.sh .venv [PYTHON]
#
# 1. Without PYTHON the first of Python 3.11, 3.12 and 3.13 that this machine has is taken.
# 2. Programs in an environment name its folder: one that was moved is made anew.
# 3. So is one whose Python is gone, or is another release than the PYTHON that is asked for.
set -eu
exec 1>&2

venv=$1
wanted=${2:-}

configured() { sed -n "s/^$1 = //p" "$venv/pyvenv.cfg" 2>/dev/null | head -n 1; }
release_of() { "$1" -c 'import sys, ensurepip, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

if [ -n "$wanted" ]; then
    python=$wanted
    case $(release_of "$python") in
        3.11 | 3.12 | 3.13) ;;
        *)
            echo "error: $python is no Python 3.11 to 3.13 with its modules venv and ensurepip; name another"
            exit 1
            ;;
    esac
fi
case $venv in /*) place=$venv ;; *) place=$(pwd -P)/$venv ;; esac
if [ -e "$venv" ]; then
    made_at=$(configured command | sed 's/.* -m venv //')
    if [ -n "$made_at" ] && [ "$made_at" != "$place" ]; then
        why="it was made at $made_at, and its programs name that folder"
    elif ! "$venv/bin/python" -c '' 2>/dev/null; then
        why="its Python is gone"
    elif [ -n "$wanted" ] && [ "$(release_of "$venv/bin/python")" != "$(release_of "$wanted")" ]; then
        why="it has Python $(configured version), and $wanted is asked for"
    else
        [ -e "$venv/.python" ] || touch "$venv/.python"
        exit 0
    fi
    echo "making $venv anew: $why"
fi
if [ -z "$wanted" ]; then
    python=$(sh "$(dirname "$0")/find_python.sh" 3.11 3.12 3.13) || {
        echo "error: there is no Python 3.11, 3.12 or 3.13 with its modules venv and ensurepip;" \
            "install one (on Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3"
        exit 1
    }
fi
rm -rf "$venv"
echo "making $venv with Python $(release_of "$python") ($python)"
"$python" -m venv "$venv"
touch "$venv/.python"
