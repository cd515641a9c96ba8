// swift-tools-version: 6.0
import PackageDescription

// The native half. On Linux it is the library that lies in this package, found by the linker and, when a program starts, by the
// paths that the linker writes into it: this package's own folder, and the folder that the program lies in. On Apple platforms
// it is a framework made by xtask/scripts/swift-xcframework.sh of the repository, linked in as a whole (not tested).
#if os(Linux)
#if arch(arm64)
let libraries = Context.packageDirectory + "/Libraries/linux-aarch64"
#else
let libraries = Context.packageDirectory + "/Libraries/linux-x86_64"
#endif
let native: Target = .systemLibrary(name: "passkey_accounts_ffiFFI")
let linking: [LinkerSetting] = [
    .unsafeFlags([
        "-L", libraries, "-lpasskey_accounts_ffi",
        "-Xlinker", "-rpath", "-Xlinker", libraries,
        "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN",
    ])
]
#else
let native: Target = .binaryTarget(name: "passkey_accounts_ffiFFI", path: "PasskeyAccountsFFI.xcframework")
let linking: [LinkerSetting] = [
    .linkedFramework("Security"), .linkedFramework("SystemConfiguration"),
]
#endif

let package = Package(
    name: "PasskeyAccounts",
    platforms: [.macOS(.v15), .iOS(.v18)],
    products: [.library(name: "PasskeyAccounts", targets: ["PasskeyAccounts"])],
    targets: [
        native,
        // Generated, and imported by nobody but the target below.
        .target(name: "PasskeyAccountsNative", dependencies: ["passkey_accounts_ffiFFI"], linkerSettings: linking),
        .target(name: "PasskeyAccounts", dependencies: ["PasskeyAccountsNative"]),
    ],
    swiftLanguageModes: [.v6]
)
