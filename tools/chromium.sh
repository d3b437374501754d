#!/bin/sh
# Install Chromium, in which the tests open the patient's pages.
set -eu
exec 1>&2

if command -v chromium >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Chromium is missing and can't be installed by this user, and its tests will be skipped:" \
        "have an administrator run apt-get install chromium"
    exit 0
fi
echo "installing the system package chromium with apt-get, as root; tests alone start it"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --yes --no-install-recommends chromium fonts-dejavu-core
