// swift-tools-version: 6.0
// CPU time per event against clients in plain Swift. Run by hand, see main.swift.
import PackageDescription

let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(path: "../PasskeyAccounts")],
    targets: [
        .executableTarget(
            name: "Benchmarks", dependencies: [.product(name: "PasskeyAccounts", package: "PasskeyAccounts")])
    ],
    swiftLanguageModes: [.v6]
)
