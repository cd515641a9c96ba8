#!/usr/bin/env bash
# wasm-setup.sh - make `wasm32-unknown-unknown` buildable, whatever the machine allows.
#
#   1. already there?        nothing to do
#   2. rustup can fetch it?  `rustup target add`  (developer machines, CI)
#   3. only apt works?       Debian's rustc and that rustc's own source, unpacked into a private
#                            folder (no root, nothing installed), std built once into its sysroot
#
# Case 3 changes nothing outside $DIR: rustup, ~/.cargo and /usr stay as they were, and native builds
# keep using rustup's cargo and rustc. Compiler and source have one version by construction.
#
# Prints one line on standard output: the cargo command that can build for the target.
#   $(./wasm-setup.sh) build --target wasm32-unknown-unknown
#
# WASM_SETUP_DIR          where the fallback lives (default ~/.cache/wasm-setup)
# WASM_SETUP_SKIP_RUSTUP  set: go straight to the fallback (to test it)
# WASM_SETUP_VERBOSE      set: show why a probe failed
set -euo pipefail
TARGET=wasm32-unknown-unknown
DIR=${WASM_SETUP_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wasm-setup}
R=$DIR/root
say() { printf 'wasm-setup: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# A toolchain counts when it links a module that uses std, not when some folder exists.
probe() {
  local t ok=1; t=$(mktemp -d)
  printf '%s\n' '#![no_main]' '#[no_mangle] pub extern "C" fn f(n: u32) -> usize { format!("{n}").len() }' >"$t/p.rs"
  if "$1" --crate-type cdylib --target $TARGET -O "$t/p.rs" -o "$t/p.wasm" >"$t/log" 2>&1 &&
     [ "$(head -c4 "$t/p.wasm" | od -An -tx1 | tr -d ' \n')" = 0061736d ]; then ok=0; fi
  [ $ok = 0 ] || [ -z "${WASM_SETUP_VERBOSE:-}" ] || cat "$t/log" >&2
  rm -rf "$t"; return $ok
}
plain() { [ -z "${WASM_SETUP_SKIP_RUSTUP:-}" ] && probe rustc; }
fallback() { [ -x "$DIR/bin/wasm-cargo" ] && probe "$DIR/bin/wasm-rustc"; }

command -v cargo >/dev/null && command -v rustc >/dev/null || die "install Rust first (https://rustup.rs)"

# 1, 2: the ordinary way
if plain; then echo cargo; exit 0; fi
if [ -z "${WASM_SETUP_SKIP_RUSTUP:-}" ] && command -v rustup >/dev/null; then
  say "trying rustup target add $TARGET"
  timeout "${WASM_SETUP_TIMEOUT:-120}" rustup target add $TARGET >/dev/null 2>&1 || true
  if plain; then echo cargo; exit 0; fi
  say "rustup cannot fetch it here"
fi

# 3: Debian packages
if fallback; then echo "$DIR/bin/wasm-cargo"; exit 0; fi
command -v apt-get >/dev/null || die "neither rustup's download nor apt works here"
export LC_ALL=C
cand() { apt-cache policy "$1" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" {print $2}'; }
deps() { apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$1" 2>/dev/null |
         awk '$1 ~ /Depends:$/ && $2 !~ /^</ {print $2}'; }
[ -n "$(cand rustc-web)$(cand rustc)" ] || { say "apt-get update"; apt-get update -qq || true; }
# Debian 12 carries a current compiler as rustc-web (its rustc is too old); later releases as rustc
if [ -n "$(cand rustc-web)" ]; then P='rustc-web rust-web-src libstd-rust-web-dev'; else P='rustc rust-src libstd-rust-dev'; fi
set -- $P
V=$(cand "$1"); [ -n "$V" ] && [ "$V" = "$(cand "$2")" ] && [ "$V" = "$(cand "$3")" ] || die "apt has no matching set of: $P"
STD=$(deps "$3" | grep -m1 '^libstd-rust-') || die "no runtime package behind $3"

rm -rf "$DIR"; mkdir -p "$DIR/deb" "$DIR/bin" "$R"
take() { # download and unpack
  ( cd "$DIR/deb" && rm -f ./*.deb && apt-get download -qq "$@" >/dev/null 2>"$DIR/apt.log" ) || { cat "$DIR/apt.log" >&2; die "apt-get download $*"; }
  local f; for f in "$DIR"/deb/*.deb; do dpkg -x "$f" "$R"; rm -f "$f"; done
}
say "fetching $P $STD ($V)"
take "$@" "$STD"
LIB=$(dirname "$(find "$R/usr/lib" -name 'librustc_driver-*.so' -print -quit)")
# LLVM, and whatever of LLVM's own needs this machine lacks (most have all of it)
LLVM=$(deps "$STD" | grep -m1 '^libllvm') || die "no LLVM behind $STD"
need=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$LLVM" | grep -E '^[a-z0-9]')
lack=$(for p in $need; do case $(dpkg-query -Wf '${db:Status-Status}' "$p" 2>/dev/null) in installed) ;; *) [ -z "$(cand "$p")" ] || echo "$p" ;; esac; done)
say "fetching" $lack
take $lack

HOST=$(rustc -vV | sed -n 's/^host: //p')
HB=$R/usr/lib/rustlib/$HOST/bin; mkdir -p "$HB"
LLD=$(rustc --print sysroot)/lib/rustlib/$HOST/bin/rust-lld
if [ -x "$LLD" ]; then ln -s "$LLD" "$HB/rust-lld"         # rustup ships the linker with every toolchain
else
  n=${LLVM#libllvm}; say "fetching lld-$n"; take "lld-$n"
  printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$LIB" "$R/usr/lib/llvm-$n/bin/lld" >"$HB/rust-lld"; chmod +x "$HB/rust-lld"
fi
cat >"$DIR/bin/wasm-rustc" <<S
#!/bin/sh
LD_LIBRARY_PATH="$LIB\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" exec "$R/usr/bin/rustc" "\$@"
S
cat >"$DIR/bin/wasm-cargo" <<S
#!/bin/sh
# the machine's cargo, with Debian's compiler for this one call
RUSTC="$DIR/bin/wasm-rustc" exec cargo "\$@"
S
chmod +x "$DIR"/bin/*
"$DIR/bin/wasm-rustc" -V >/dev/null || die "Debian's rustc does not start here"

B=$DIR/stdbuild; mkdir -p "$B/src"; : >"$B/src/lib.rs"
printf '%s\n' '[package]' 'name = "stdbuild"' 'version = "0.0.0"' 'edition = "2021"' '[workspace]' >"$B/Cargo.toml"
say "building std for $TARGET with $("$DIR/bin/wasm-rustc" -V)"
# embed-bitcode: so that lto = "fat" reaches into std, as it does with rustup's
( cd "$B" && CARGO_TARGET_DIR="$B/target" CARGO_BUILD_TARGET= RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Cembed-bitcode=yes' CARGO_PROFILE_RELEASE_OPT_LEVEL=s \
    "$DIR/bin/wasm-cargo" build --release --target $TARGET -Zbuild-std=std,panic_abort,proc_macro,test >"$DIR/std.log" 2>&1 ) ||
  { tail -20 "$DIR/std.log" >&2; die "std did not build (log: $DIR/std.log)"; }
S=$R/usr/lib/rustlib/$TARGET/lib; mkdir -p "$S"
find "$B/target/$TARGET/release/deps" -name 'lib*.rlib' ! -name 'libstdbuild-*' -exec cp {} "$S/" \;
rm -rf "$B" "$DIR/deb" "$DIR/apt.log" "$R/usr/src" "$R/usr/share"
WASM_SETUP_VERBOSE=1 probe "$DIR/bin/wasm-rustc" || die "the fallback does not link"
say "ready: $("$DIR/bin/wasm-rustc" -V)"
echo "$DIR/bin/wasm-cargo"
