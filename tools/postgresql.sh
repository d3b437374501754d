#!/bin/sh
# Install PostgreSQL's server, which the tests start; without the cluster that Debian would make beside it.
set -eu
exec 1>&2

if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "PostgreSQL's server is missing and can't be installed by this user, and its tests will be skipped:" \
        "have an administrator run apt-get install postgresql"
    exit 0
fi
echo "installing the system package postgresql with apt-get, as root; its server is started by tests alone"
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --yes --no-install-recommends -o Dpkg::Options::=--force-confold postgresql
