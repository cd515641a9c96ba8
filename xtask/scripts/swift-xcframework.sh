#!/usr/bin/env bash
# swift-xcframework.sh <package> - puts PasskeyAccountsFFI.xcframework into an unpacked Swift package, for Apple platforms.
#
# Runs on macOS with Xcode, rustup and this repository. NOT TESTED: no machine that tests this project runs macOS. What is tested
# on Linux is everything that is not in this file: the Swift code and the generated code are the same.
#
# Each platform gets a static library, so that nothing has to be found when a program starts; the header and its module map lie
# inside, where Package.swift expects the module passkey_accounts_ffiFFI.
set -euo pipefail
package=$(cd "${1:?usage: swift-xcframework.sh <package>}" && pwd)
cd "$(dirname "$0")/../.."
[ "$(uname -s)" = Darwin ] || { echo "swift-xcframework: this needs macOS with Xcode" >&2; exit 1; }

target_dir=${CARGO_TARGET_DIR:-target}
library=libpasskey_accounts_ffi.a
build() {
  rustup target add "$1" >&2
  cargo rustc --locked --release --package passkey-accounts-ffi --crate-type staticlib --target "$1" >&2
  echo "$target_dir/$1/release/$library"
}
# One library for all processors of a platform.
join() {
  mkdir -p "$target_dir/swift/$1"
  local name=$1
  shift
  lipo -create "$@" -output "$target_dir/swift/$name/$library"
  echo "$target_dir/swift/$name/$library"
}

headers=$target_dir/swift/headers
rm -rf "$headers" "$package/PasskeyAccountsFFI.xcframework"
mkdir -p "$headers"
cp "$package"/Sources/passkey_accounts_ffiFFI/{passkey_accounts_ffiFFI.h,module.modulemap} "$headers/"

mac=$(join macos "$(build aarch64-apple-darwin)" "$(build x86_64-apple-darwin)")
phone=$(build aarch64-apple-ios)
simulator=$(join ios-simulator "$(build aarch64-apple-ios-sim)" "$(build x86_64-apple-ios)")
xcodebuild -create-xcframework \
  -library "$mac" -headers "$headers" \
  -library "$phone" -headers "$headers" \
  -library "$simulator" -headers "$headers" \
  -output "$package/PasskeyAccountsFFI.xcframework"
