#!/usr/bin/env bash
# swift-rootfs.sh - a folder with Debian's Swift toolchain: swiftc, SwiftPM, XCTest, Swift Testing.
#
#   swift-rootfs.sh            makes it where it is missing (one to two minutes, 1.6 GB), prints its path
#   swift-rootfs.sh --why-not  prints why it cannot be had here, and nothing if it can
#
# Changes nothing outside of the folder, but for mmdebstrap, a small package, which is installed where it is missing. Debian 13
# is the first with a Swift whose packages have everything that links tests; this machine may be an older one.
set -euo pipefail
dir=${XDG_CACHE_HOME:-$HOME/.cache}/passkey-accounts/swift
suite=trixie
say() { printf 'swift-rootfs: %s\n' "$*" >&2; }

is_there() { [ -x "$dir/usr/libexec/swift/bin/swift-test" ]; }
# The mirror that this machine uses, whatever it is called: the first of its own sources.
mirror() {
  { sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/apt/sources.list.d/*.sources
    sed -n 's/^deb[[:space:]]\(\[[^]]*\][[:space:]]*\)\?\([^[:space:]]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
  } 2>/dev/null | head -n 1
}
why_not() {
  [ "$(uname -s)" = Linux ] || { echo "the toolchain is Debian's: this is no Linux"; return; }
  [ "$(id -u)" = 0 ] || { echo "a root file system is entered with chroot: this needs root"; return; }
  command -v unshare >/dev/null || { echo "unshare is not installed"; return; }
  unshare --mount true 2>/dev/null || { echo "this machine lets nobody unshare mounts"; return; }
  is_there && return
  command -v apt-get >/dev/null && [ -n "$(mirror)" ] || { echo "there is no apt to get Debian's Swift with"; return; }
}

reason=$(why_not)
if [ "${1:-}" = --why-not ]; then echo -n "$reason"; exit 0; fi
[ -z "$reason" ] || { say "$reason"; exit 1; }
if ! is_there; then
  export DEBIAN_FRONTEND=noninteractive
  if ! command -v mmdebstrap >/dev/null; then
    { apt-get update -qq && apt-get install -qq --no-install-recommends mmdebstrap; } >/dev/null
  fi
  say "making $dir"
  mkdir -p "$(dirname "$dir")"
  gone=()
  for path in /usr/share/man /usr/share/doc /usr/share/locale /usr/share/info \
      /usr/libexec/swift/lib/swift_static /usr/libexec/swift/lib/swift/embedded \
      '/usr/libexec/swift/lib/liblldb*' '/usr/libexec/swift/bin/lldb*' /usr/libexec/swift/bin/clangd \
      /usr/libexec/swift/bin/docc /usr/libexec/swift/bin/sourcekit-lsp /usr/libexec/swift/bin/swift-format; do
    gone+=(--dpkgopt="path-exclude=$path" --dpkgopt="path-exclude=$path/*")
  done
  new=$dir.new.$$
  trap 'rm -rf "$new"' EXIT
  mmdebstrap --quiet --mode=root --variant=minbase --components=main \
    --include=swiftlang,libc6-dev,libstdc++-14-dev \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
    "${gone[@]}" "$suite" "$new" "$(mirror)" >&2
  rm -rf "$dir"
  mv "$new" "$dir"
fi
echo "$dir"
