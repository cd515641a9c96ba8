// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "examples",
    platforms: [.macOS(.v15)],
    // Where PasskeyAccounts-<version>.zip was unpacked.
    dependencies: [.package(path: "../PasskeyAccounts")],
    targets: [
        .executableTarget(
            name: "print-sign-ins", dependencies: [.product(name: "PasskeyAccounts", package: "PasskeyAccounts")],
            path: "Sources/PrintSignIns"),
        .executableTarget(
            name: "check-requests", dependencies: [.product(name: "PasskeyAccounts", package: "PasskeyAccounts")],
            path: "Sources/CheckRequests"),
    ],
    swiftLanguageModes: [.v6]
)
