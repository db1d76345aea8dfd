#!/bin/sh
# Bring a Chromium for the browser tests where there is none: from Debian's packages, as root or with sudo.
# Where that cannot be, the browser tests say so and are skipped.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if ! command -v apt-get >/dev/null 2>&1; then
    echo "No Chromium and no apt-get: the browser tests will be skipped."
    exit 0
fi
run=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
        echo "No Chromium, and no right to install one: the browser tests will be skipped."
        exit 0
    fi
    run="sudo -n"
fi
echo "Installing Chromium and CJK fonts from Debian's packages …"
if $run apt-get -qq update >/dev/null && $run env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends chromium fonts-noto-cjk >/dev/null; then
    exit 0
fi
echo "Chromium could not be installed: the browser tests will be skipped."
exit 0
