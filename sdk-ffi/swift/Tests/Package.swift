// swift-tools-version: 6.0
// The tests of the package as it is shipped, which lies beside this folder: they see what its users see.
import PackageDescription

let package = Package(
    name: "PasskeyAccountsTests",
    platforms: [.macOS(.v15)],
    dependencies: [.package(path: "../PasskeyAccounts")],
    targets: [
        // A worker in a process of its own, which can be killed.
        .executableTarget(name: "Worker", dependencies: [.product(name: "PasskeyAccounts", package: "PasskeyAccounts")]),
        .testTarget(name: "PasskeyAccountsTests", dependencies: ["Worker", .product(name: "PasskeyAccounts", package: "PasskeyAccounts")]),
    ],
    swiftLanguageModes: [.v6]
)
