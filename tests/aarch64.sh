#!/usr/bin/env bash
# Run a command on an emulated aarch64 with Debian's kernel: tests/aarch64.sh FOLDER SUITE COMMAND…
# Needs root, qemu-system-arm, mmdebstrap and cpio of Debian, and what `make check` sets up. FOLDER keeps what has been
# downloaded, 1 GB a suite. Ends as the command did. CPU in the environment is the processor, KERNEL Debian's package.
set -euo pipefail
folder=$(realpath -m "$1")/$2 suite=$2
shift 2
cd "$(dirname "$0")/.."
case $suite in # which Python Debian has there
bookworm) python=3.11 ;;
trixie) python=3.13 ;;
*) echo "expected bookworm or trixie, not $suite" >&2 && exit 64 ;;
esac
packages=opt/venv/lib/python$python/site-packages
root=$folder/tree site=$folder/tree/$packages

if [ ! -e "$folder/base.cpio" ]; then
  rm -rf "$root" && mkdir -p "$site"
  # Nothing of it is executed here: packages are only unpacked.
  mmdebstrap --quiet --architectures=arm64 --variant=extract --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --include="bash,coreutils,dash,grep,iproute2,libc-bin,libstdc++6,mount,procps,python3,sed,strace,tzdata,util-linux,${KERNEL:-linux-image-arm64}" \
    "$suite" - http://deb.debian.org/debian | tar -x -C "$root" --exclude='./dev/*' --exclude='*/usr/share/doc/*'
  .venv/bin/uv export --quiet --frozen --all-groups --no-emit-project --no-hashes \
    --no-emit-package={deptry,import-linter,mypy,ruff} >"$folder/requirements.txt"
  .venv/bin/uv pip install --quiet --target "$site" --python-version $python --only-binary :all: \
    --python-platform aarch64-manylinux_2_36 --requirement "$folder/requirements.txt"
  mv "$site/bin" "$root/opt/venv/"
  ln -s /usr/bin/python3 "$root/opt/venv/bin/python"
  echo "home = /usr/bin" >"$root/opt/venv/pyvenv.cfg"
  echo /midstream/src >"$site/midstream.pth"
  printf '%s\n' root:x:0:0::/root:/bin/bash nobody:x:65534:65534::/:/bin/false >"$root/etc/passwd"
  echo 127.0.0.1 localhost >"$root/etc/hosts"
  ln -sf /usr/share/zoneinfo/UTC "$root/etc/localtime"
  mv "$root"/boot/vmlinuz-* "$folder/kernel"
  rm -r "$root"/boot "$root"/usr/lib/modules
  (cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$folder/base.cpio"
  rm -r "$root"
fi

# The working tree and what to do: a second archive, unpacked over the first.
over=$folder/over
rm -rf "$over" && mkdir -p "$over/midstream" "$over/$packages"
git ls-files -z -- src tests bench docs examples '*.toml' '*.md' | xargs -0 cp --parents -t "$over/midstream"
cp -r .venv/lib/python*/site-packages/midstream-*.dist-info "$over/$packages" # what the version is
cat >"$over/init" <<END
#!/bin/bash
export PATH=/opt/venv/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev && mount -t securityfs none /sys/kernel/security
mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm && mount -t tmpfs tmp /tmp
ip link set lo up
ldconfig
cd /midstream
echo "\$(uname -srvm), layers \$(cat /sys/kernel/security/lsm)"
setsid $(printf '%q ' "$@")
echo "ended with \$?"
sleep 1
echo o >/proc/sysrq-trigger
sleep 60
END
chmod +x "$over/init"
(cat "$folder/base.cpio" && cd "$over" && find . | cpio --quiet -o -H newc -R 0:0) >"$folder/all.cpio"

# By -icount its clock counts instructions: limits of time hold however slow the emulation is.
qemu-system-aarch64 -machine virt,gic-version=3 -cpu "${CPU:-neoverse-n1}" -smp 1 -m 3072 -icount shift=1 -nographic \
  -nic none -no-reboot -kernel "$folder/kernel" -initrd "$folder/all.cpio" -append "console=ttyAMA0 quiet panic=-1" \
  </dev/null | sed -u 's|\r||' | tee "$folder/console"
ended=$(sed -n 's/^ended with //p' "$folder/console" | tail -1)
exit "${ended:-70}"
