#!/usr/bin/env bash
# newcomer.sh LANGUAGE... - walks a new user's path on a clean machine, by examples/README.md alone, and times its steps.
#
# The machine is a fresh Debian 13 root with nothing but the language's own tools; what a newcomer would have made with
# `cargo xtask dist` is in target/dist. Languages: python node kotlin swift. Needs root, mmdebstrap and a `passkey-accounts`
# binary (cargo build).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
say() { printf '%s\n' "$*"; }
mirror=$(sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p; s/^deb[[:space:]]\(\[[^]]*\][[:space:]]*\)\?\([^[:space:]]*\).*/\2/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1 || true)

"$target/debug/passkey-accounts" dev --json --port 0 --data-dir "$work/data" > "$work/dev.json" 2> "$work/dev.log" &
until [ -s "$work/dev.json" ]; do sleep 0.1; done
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/dev.json"; }
PASSKEY_ACCOUNTS_URL=$(field url) PASSKEY_ACCOUNTS_API_KEY=$(field apiKey)
export PASSKEY_ACCOUNTS_URL PASSKEY_ACCOUNTS_API_KEY

packages() {
  case $1 in
    python) echo python3,python3-venv ;;
    node) echo nodejs,npm ;;
    kotlin) echo default-jdk-headless,maven ;;
    swift) echo swiftlang,libc6-dev,libstdc++-14-dev,unzip ;;
  esac
}
# What examples/README.md says, a step a line: name, then the command.
steps() {
  case $1 in
    python) cat <<'S'
venv|python3 -m venv .venv && . .venv/bin/activate
install|pip -q install target/dist/*.whl
run|cd examples && exec python3 python/print_sign_ins.py
S
    ;;
    node) cat <<'S'
install|cd examples/node && npm ci --silent
run|exec node print-sign-ins.mjs
S
    ;;
    kotlin) cat <<'S'
compile|cd examples/kotlin && mvn -q -B compile -Daccounts.repository=file:///home/target/dist/maven
run|exec mvn -q -B exec:java -Daccounts.repository=file:///home/target/dist/maven
S
    ;;
    swift) cat <<'S'
unpack|cd examples && unzip -q ../target/dist/PasskeyAccounts-*.zip
build|cd swift && swift build -q --product print-sign-ins
run|exec swift run -q print-sign-ins
S
    ;;
  esac
}

for language in "$@"; do
  machine=$work/$language
  mmdebstrap --quiet --mode=root --variant=minbase --components=main --include="ca-certificates,$(packages "$language")" \
    --aptopt='APT::Install-Recommends "false"' trixie "$machine" "$mirror" >&2
  # The clone, without what was built; what the machine itself says of mirrors.
  mkdir -p "$machine/home/target/dist" "$machine/root/.m2"
  (cd "$root" && git archive HEAD examples) | tar -x -C "$machine/home"
  cp -r "$target/dist/." "$machine/home/target/dist/"
  for file in /etc/npmrc /etc/pip.conf /etc/hosts /etc/resolv.conf /root/.npmrc /root/.m2/settings.xml; do
    [ ! -e "$file" ] || cp "$file" "$machine$file"
  done
  cp -r /usr/local/share/ca-certificates/. "$machine/usr/local/share/ca-certificates/" 2>/dev/null || true
  mount --bind /proc "$machine/proc"; mount --bind /dev "$machine/dev"
  chroot "$machine" update-ca-certificates --fresh > /dev/null 2>&1
  {
    echo 'cd /home; export PATH=$PATH:/usr/libexec/swift/bin'
    steps "$language" | while IFS='|' read -r name command; do
      echo "began=\$(date +%s%N)"
      if [ "$name" = run ]; then echo "echo STARTED >&2; $command"; else
        echo "$command; echo \"$language $name \$(( (\$(date +%s%N) - began) / 1000000 )) ms\" >&2"; fi
    done
  } > "$machine/walk.sh"
  began=$(date +%s%N)
  chroot "$machine" bash -e /walk.sh > "$work/out" 2> >(tee "$work/err" >&2) & walk=$!
  until grep -q STARTED "$work/err" 2>/dev/null; do kill -0 $walk 2>/dev/null || { say "$language: ended early"; cat "$work/err"; break; }; sleep 0.1; done
  started=$(date +%s%N)
  for _ in $(seq 600); do
    "$target/debug/passkey-accounts" trigger loggedIn > /dev/null 2>&1 || true
    ! grep -q 'signed in' "$work/out" || break
    kill -0 $walk 2>/dev/null || break
    sleep 0.2
  done
  say "$language says: $(grep -m 1 'signed in' "$work/out" || head -n 3 "$work/out"); after its start $(( ($(date +%s%N) - started) / 1000000 )) ms; all steps $(( ($(date +%s%N) - began) / 1000000 )) ms"
  kill $walk 2>/dev/null || true; pkill -P $walk 2>/dev/null || true; wait $walk 2>/dev/null || true
  umount "$machine/proc" "$machine/dev"
done
