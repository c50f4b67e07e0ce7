import EnvoyHarness
import Foundation
import Testing

/// `weir check` says of a directory what a `weir serve` that starts on it says: the same problems in the same order.
@Suite("weir check and /v1/problems", .serialized) struct AgreementTests {
  private static let documents = [
    "apiVersion: v1\nkind: Service\nmetadata: {name: NAME, namespace: shop}\nspec: {ports: [{name: http, port: 80}]}\n",
    "apiVersion: v1\nkind: Service\nmetadata: {name: NAME, namespace: shop}\nspec: {ports: [{name: tcp, port: 81}]}\n",
    "apiVersion: v1\nkind: Service\nmetadata: {name: NAME, namespace: shop}\nspec: {ports: [{port: 80000}]}\n",
    "apiVersion: v1\nkind: Service\nmetadata: {name: NAME, namespace: shop}\nspec: {ports: []}\n",
    """
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: NAME, namespace: shop, labels: {kubernetes.io/service-name: NAME}}
    addressType: IPv4
    ports: [{name: http, port: 8080}]
    endpoints: [{addresses: [10.0.0.1]}, {addresses: [not-an-address]}]

    """,
    """
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: NAME, namespace: shop}
    spec: {host: OTHER, trafficPolicy: {connectionPool: {}}, subsets: [{name: v1, labels: {version: v1}}]}

    """,
    """
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: NAME, namespace: shop}
    spec: {hosts: [OTHER], http: [{route: [{destination: {host: OTHER, subset: v1}}]}]}

    """,
    """
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: NAME, namespace: shop}
    spec: {hosts: [OTHER], http: [{timeout: -1s, route: [{destination: {host: OTHER}}]}]}

    """,
    "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME, namespace: shop, labels: {version: v1}}\n",
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: NAME}\n", "apiVersion: v1\nkind: Service\n", "[broken\n",
    "# nothing\n", "\u{0}\n",
  ]

  @Test func theyAgreeOnWhateverTheFilesHold() async throws {
    var random = SeededRandom()
    print("agreement: WEIR_SEED=\(random.seed)")
    var (listed, failures) = (0, 0)
    for round in 0..<12 {
      let directory = TemporaryDirectory(prefix: "weir-agreement")
      defer { directory.remove() }
      let folders = ["m", "n"].map { directory.path + "/" + $0 }
      for folder in folders {
        try FileManager.default.createDirectory(atPath: folder + "/sub", withIntermediateDirectories: true)
        for name in ["a.yaml", "b.yaml", "sub/c.yaml", "d.yml"] where Int.random(in: 0..<4, using: &random) > 0 {
          let documents = (0..<Int.random(in: 0...4, using: &random)).map { _ in
            Self.documents.randomElement(using: &random)!
              .replacing("NAME", with: ["x", "y"].randomElement(using: &random)!)
              .replacing("OTHER", with: ["x", "y", "z"].randomElement(using: &random)!)
          }
          try Data(documents.joined(separator: "---\n").utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
      }
      let log = directory.path + "/check.log"
      let check = try await ChildProcess.spawn(
        WeirProcess.binary(), ["check", "--json"] + folders, logPath: log, readsLines: true)
      var output = ""
      for await line in check.lines { output += line + "\n" }
      let checked = try JSON(parsing: output)

      let weir = try await WeirProcess.serve(manifests: folders, in: directory)
      let served = try await weir.json("/v1/problems")
      await weir.kill()
      #expect(checked == served, "round \(round), WEIR_SEED=\(random.seed)")
      let errors = served["errors"].integer ?? -1
      #expect(await check.waitForExit() == .code(errors == 0 ? 0 : 1))

      let text = try await ChildProcess.output(of: WeirProcess.binary(), ["check"] + folders, accepting: [0, 1])
      let lines = text.split(separator: "\n")
      let problems = served["problems"].array
      #expect(lines.count == problems.count)
      for (line, problem) in zip(lines, problems) {
        #expect(line.hasSuffix(problem["message"].string ?? "?") && line.contains(problem["severity"].string ?? "?"))
        #expect(line.hasPrefix(problem["file"].string ?? ""))
      }
      listed += problems.count
      failures += errors > 0 ? 1 : 0
    }
    print("agreement: \(listed) problems listed; \(failures) of 12 directories with errors")
    #expect(listed > 20 && failures > 0)
  }
}
