#!/usr/bin/env bash
# swift-run.sh <rootfs> <folder> <repository> <command...>
#
# Runs a command in a root file system made by swift-rootfs.sh, in <folder>, which is /src there; the repository is /repository
# and cannot be written to. The network is this machine's. Of the environment it gets what tests of another language get, and
# what begins with SWIFT_TEST_.
#
# The mounts live in a mount namespace of their own and vanish with the command, even when it is killed. /proc is not optional:
# swiftc finds its own libraries through it.
set -euo pipefail
root=$(realpath "$1") folder=$(realpath "$2") repository=$(realpath "$3")
shift 3
exec unshare --mount --propagation private bash -euc '
  root=$0 folder=$1 repository=$2
  shift 3
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/tmp"
  mkdir -p "$root/src" "$root/repository"
  mount --bind "$folder" "$root/src"
  mount --bind "$repository" "$root/repository"
  mount -o remount,bind,ro "$root/repository"
  environment=()
  while IFS= read -r name; do environment+=("$name=${!name}"); done < <(compgen -e | grep -E "^(PASSKEY_ACCOUNTS|SWIFT_TEST)_" || true)
  exec chroot "$root" /usr/bin/env -i PATH=/usr/libexec/swift/bin:/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 "${environment[@]}" \
    sh -c "cd /src && exec \"\$@\"" sh "$@"
' "$root" "$folder" "$repository" run "$@"
