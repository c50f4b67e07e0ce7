import ManifestSource
import Testing
import TrafficModel

/// Every kind of bad input, with where and how it is reported.
@Suite struct BadInputTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    var severity: Problem.Severity
    var line: Int
    var field: String
    var message: String
    var object: String?

    init(
      _ name: String, _ text: String, _ severity: Problem.Severity = .error, line: Int, field: String = "",
      _ message: String, object: String? = nil
    ) {
      self.name = name
      self.text = text
      self.severity = severity
      self.line = line
      self.field = field
      self.message = message
      self.object = object
    }
    var testDescription: String { name }
  }

  static func route(
    _ name: String, _ fields: String, field: String, _ message: String, _ severity: Problem.Severity = .error
  )
    -> Case
  {
    Case(
      name, Sample.route(fields), severity, line: 4, field: "spec.http[0]." + field, message,
      object: "VirtualService shop/reviews")
  }

  static func match(_ name: String, _ fields: String, field: String, _ message: String) -> Case {
    route(name, "match: [{\(fields)}], \(Sample.destination)", field: "match[0]." + field, message)
  }

  static func rule(
    _ name: String, _ spec: String, field: String, _ message: String, _ severity: Problem.Severity = .error
  )
    -> Case
  {
    Case(name, Sample.rule(spec), severity, line: 4, field: field, message, object: "DestinationRule shop/reviews")
  }

  static func hash(_ name: String, _ fields: String, field: String, _ message: String) -> Case {
    rule(
      name, "{host: reviews, trafficPolicy: {loadBalancer: {consistentHash: {\(fields)}}}}",
      field: "spec.trafficPolicy.loadBalancer.consistentHash" + field, message)
  }

  static let nodes: [Case] = [
    ("topology.kubernetes.io/zone", "a\\nb"), ("topology.kubernetes.io/region", "a\\0b"),
    ("failure-domain.beta.kubernetes.io/zone", "\\x7f"), ("failure-domain.beta.kubernetes.io/region", "\\e"),
  ].map { label, value in
    Case(
      label, "apiVersion: v1\nkind: Node\nmetadata:\n  name: n\n  labels: {\(label): \"\(value)\"}\n", line: 5,
      field: "metadata.labels[\"\(label)\"]", "must not hold control characters", object: "Node n")
  }

  static let wrongDocuments: [Case] = [
    Case("malformed", "kind: [a\n", line: 2, "malformed YAML"),
    Case("tab", "a:\n\t- b\n", line: 2, "malformed YAML"),
    Case("duplicate key", "apiVersion: v1\nkind: A\nkind: B\n", line: 2, "`kind` more than once"),
    Case("undefined alias", "a: *b\n", line: 1, "undefined alias"),
    Case("not a mapping", "- a\n", line: 1, "must be a mapping, not a list"),
    Case("NUL", "a: b\nc: \0\n", line: 2, "NUL"),
    Case("control character", "a: b\nc: \u{1}\n", line: 2, "control characters"),
    Case("no kind", "apiVersion: v1\nmetadata: {name: x}\n", line: 1, field: "kind", "is required"),
    Case("no apiVersion", "kind: Service\nmetadata: {name: x}\n", line: 1, field: "apiVersion", "is required"),
    Case("no metadata", "apiVersion: v1\nkind: Service\n", line: 1, field: "metadata", "is required"),
    Case(
      "no name", "apiVersion: v1\nkind: Service\nmetadata: {namespace: a}\n", line: 3, field: "metadata.name",
      "is required"),
    Case(
      "name is a number", "apiVersion: v1\nkind: Pod\nmetadata: {name: 12}\n", line: 3, field: "metadata.name",
      "write \"12\""),
    Case(
      "bad name", "apiVersion: v1\nkind: Service\nmetadata: {name: a.b}\n", line: 3, field: "metadata.name",
      "not a valid name"),
    Case(
      "bad namespace", "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: A_b}\n", line: 3,
      field: "metadata.namespace", "not a valid name"),
    Case(
      "unknown kind", "apiVersion: v1\nkind: Servce\nmetadata: {name: a}\n", line: 2, field: "kind",
      "v1 has no kind \"Servce\""),
    Case("deep nesting", String(repeating: "[", count: 5_000), line: 1, "malformed YAML"),
    Case(
      "nesting", "a: " + String(repeating: "[", count: 200) + String(repeating: "]", count: 200), line: 1,
      "deeper than 100"),
    Case("complex key", "? [a]\n: b\n", line: 1, "key must be a string"),
  ]

  static let unsupportedKinds: [Case] = [
    Case(
      "other kind", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n", .warning, line: 2, field: "kind",
      "Deployment web (apps/v1) is not supported and has no effect"),
    Case(
      "other core kind", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n", .warning, line: 2, field: "kind",
      "ConfigMap web (v1) is not supported"),
    Case(
      "other istio kind", "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\n", .warning, line: 2,
      field: "kind", "Gateway g (networking.istio.io/v1) is not supported"),
    Case(
      "same name in another group", "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: g}\n",
      .warning,
      line: 2, field: "kind", "is not supported"),
  ]

  static let objects: [Case] = [
    Case(
      "unknown version",
      "apiVersion: networking.istio.io/v9\nkind: DestinationRule\nmetadata: {name: r}\nspec: {host: a}\n",
      line: 1, field: "apiVersion", "is known in networking.istio.io/v1"),
    Case("no ports", Sample.service(ports: "[]"), line: 5, field: "spec.ports", "at least one port"),
    Case(
      "port too high", Sample.service(ports: "[{port: 70000}]"), line: 5, field: "spec.ports[0].port",
      "between 1 and 65535"),
    Case("port 0", Sample.service(ports: "[{port: 0}]"), line: 5, field: "spec.ports[0].port", "between 1 and 65535"),
    Case(
      "port is a string", Sample.service(ports: "[{port: \"80\"}]"), line: 5, field: "spec.ports[0].port",
      "must be a number, not a string"),
    Case(
      "port is a fraction", Sample.service(ports: "[{port: 80.5}]"), line: 5, field: "spec.ports[0].port",
      "whole number"),
    Case("port missing", Sample.service(ports: "[{name: a}]"), line: 5, field: "spec.ports[0].port", "is required"),
    Case(
      "port name is a number", Sample.service(ports: "[{name: 1, port: 80}]"), line: 5, field: "spec.ports[0].name",
      "must be a string"),
    Case(
      "ports unnamed", Sample.service(ports: "[{port: 80}, {name: b, port: 81}]"), line: 5, field: "spec.ports[0].name",
      "is required"),
    Case(
      "port name twice", Sample.service(ports: "[{name: b, port: 80}, {name: b, port: 81}]"), line: 5,
      field: "spec.ports[1].name", "another port"),
    Case(
      "port twice", Sample.service(ports: "[{name: a, port: 80}, {name: b, port: 80}]"), line: 5,
      field: "spec.ports[1].port", "twice"),
    Case(
      "targetPort", Sample.service(ports: "[{port: 80, targetPort: 99999}]"), line: 5,
      field: "spec.ports[0].targetPort", "between"),
    Case(
      "protocol", Sample.service(ports: "[{port: 80, protocol: TPC}]"), line: 5, field: "spec.ports[0].protocol",
      "must be one of"),
    Case(
      "ports are no list", Sample.service(ports: "{}"), line: 5, field: "spec.ports", "must be a list, not a mapping"),
    Case("service type", Sample.service(more: "type: Clusterip"), line: 6, field: "spec.type", "must be one of"),
    Case("selector", Sample.service(more: "selector: {app: 1}"), line: 6, field: "spec.selector.app", "write \"1\""),
    Case(
      "unknown field", Sample.service(more: "portz: []"), .warning, line: 6, field: "spec.portz",
      "is not supported and has no effect"),
    Case("unknown part", Sample.service() + "spce: {}\n", .warning, line: 7, field: "spce", "is not supported"),
    Case(
      "label is a number", "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {version: 1}}\n", line: 3,
      field: "metadata.labels.version", "write \"1\""),
    Case("FQDN slice", Sample.slice("[]", type: "FQDN"), line: 4, field: "addressType", "FQDN is not supported"),
    Case("address type", Sample.slice("[]", type: "IPv5"), line: 4, field: "addressType", "must be one of"),
    Case(
      "address is a name", Sample.slice("[{addresses: [localhost]}]"), line: 6, field: "endpoints[0].addresses[0]",
      "is not an IPv4 address"),
    Case(
      "address of the other family", Sample.slice("[{addresses: [\"::1\"]}]"), line: 6,
      field: "endpoints[0].addresses[0]", "is not an IPv4 address"),
    Case(
      "address with zeros", Sample.slice("[{addresses: [10.0.0.01]}]"), line: 6, field: "endpoints[0].addresses[0]",
      "is not an IPv4 address"),
    Case("no address", Sample.slice("[{addresses: []}]"), line: 6, field: "endpoints[0].addresses", "at least one"),
    Case(
      "ready is a string", Sample.slice("[{addresses: [10.0.0.1], conditions: {ready: \"true\"}}]"), line: 6,
      field: "endpoints[0].conditions.ready", "must be a boolean"),
    Case(
      "slice port", Sample.slice("[]", ports: "[{name: a, port: -1}]"), line: 5, field: "ports[0].port",
      "between 1 and 65535"),
    rule("no host", "{subsets: []}", field: "spec.host", "is required"),
    rule("host", "{host: a_b}", field: "spec.host", "not a valid host name"),
    rule(
      "subset name", "{host: a, subsets: [{name: 'a|b'}]}", field: "spec.subsets[0].name", "not a valid subset name"),
    rule("subset without name", "{host: a, subsets: [{labels: {}}]}", field: "spec.subsets[0].name", "is required"),
    rule("subset twice", "{host: a, subsets: [{name: b}, {name: b}]}", field: "spec.subsets[1].name", "twice"),
    rule(
      "lb", "{host: a, trafficPolicy: {loadBalancer: {simple: FASTEST}}}",
      field: "spec.trafficPolicy.loadBalancer.simple", "must be one of"),
    rule(
      "lb passthrough", "{host: a, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}",
      field: "spec.trafficPolicy.loadBalancer.simple", "not supported", .warning),
    rule(
      "lb both", "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}}",
      field: "spec.trafficPolicy.loadBalancer", "exclude"),
    rule(
      "outlier detection", "{host: a, trafficPolicy: {outlierDetection: {}}}",
      field: "spec.trafficPolicy.outlierDetection", "is not supported and has no effect", .warning),
    rule("exportTo", "{host: a, exportTo: [\".\"]}", field: "spec.exportTo", "every namespace"),
    rule("workloadSelector", "{host: a, workloadSelector: {}}", field: "spec.workloadSelector", "every workload"),
    hash("no key", "ringHash: {}", field: "", "exactly one of"),
    hash("two keys", "useSourceIp: true, httpHeaderName: a", field: "", "exactly one of"),
    hash(
      "ring too large", "useSourceIp: true, ringHash: {minimumRingSize: 8388609}", field: ".ringHash.minimumRingSize",
      "between 0 and 8388608"),
    hash("table not prime", "useSourceIp: true, maglev: {tableSize: 65536}", field: ".maglev.tableSize", "prime"),
    hash("table too large", "useSourceIp: true, maglev: {tableSize: 5000021}", field: ".maglev.tableSize", "between"),
    hash("header name", "httpHeaderName: \"a b\"", field: ".httpHeaderName", "not a valid name"),
    hash("cookie without name", "httpCookie: {ttl: 1s}", field: ".httpCookie.name", "is required"),
  ]

  static let routes: [Case] = [
    Case(
      "no hosts", Sample.virtualService("{http: [{\(Sample.destination)}]}"), line: 4, field: "spec.hosts",
      "at least one host"),
    Case(
      "wildcard host", Sample.virtualService("{hosts: [\"*\"], http: [{\(Sample.destination)}]}"), line: 4,
      field: "spec.hosts[0]", "not allowed"),
    Case(
      "host with port", Sample.virtualService("{hosts: [\"a:80\"], http: [{\(Sample.destination)}]}"), line: 4,
      field: "spec.hosts[0]", "not a valid host name"),
    Case(
      "host twice", Sample.virtualService("{hosts: [a, A], http: [{\(Sample.destination)}]}"), line: 4,
      field: "spec.hosts[1]", "twice"),
    Case("no routes", Sample.virtualService("{hosts: [a]}"), line: 4, field: "spec.http", "at least one route"),
    Case(
      "only tcp", Sample.virtualService("{hosts: [a], tcp: []}"), .warning, line: 4, field: "spec.tcp",
      "is not supported"),
    route("no action", "name: a", field: "route", "at least one destination"),
    route("redirect", "redirect: {uri: /a}", field: "redirect", "is not supported"),
    route("delegate", "delegate: {name: a}", field: "delegate", "is not supported"),
    route("directResponse", "directResponse: {status: 200}", field: "directResponse", "is not supported"),
    route(
      "redirect beside a route", "\(Sample.destination), redirect: {uri: /a}", field: "redirect", "is not supported"),
    route("rewrite", "\(Sample.destination), rewrite: {uri: /}", field: "rewrite", "wrong path"),
    route("fault", "\(Sample.destination), fault: {abort: {httpStatus: 500}}", field: "fault", "no effect", .warning),
    route(
      "headers", "\(Sample.destination), headers: {request: {set: {a: b}}}", field: "headers", "no effect", .warning),
    route(
      "corsPolicy", "\(Sample.destination), corsPolicy: {allowMethods: [GET]}", field: "corsPolicy", "no effect",
      .warning),
    route(
      "unsupported field", "\(Sample.destination), mirror: {host: a}", field: "mirror",
      "is not supported and has no effect", .warning),
    route("no destination", "route: [{weight: 1}]", field: "route[0].destination", "is required"),
    route("no host", "route: [{destination: {subset: a}}]", field: "route[0].destination.host", "is required"),
    route(
      "destination host", "route: [{destination: {host: \"*\"}}]", field: "route[0].destination.host",
      "not a valid host name"),
    route(
      "destination port", "route: [{destination: {host: a, port: {number: 0}}}]",
      field: "route[0].destination.port.number", "between"),
    route(
      "destination subset", "route: [{destination: {host: a, subset: 'v|1'}}]", field: "route[0].destination.subset",
      "not a valid subset name"),
    route(
      "negative weight", "route: [{destination: {host: a}, weight: -1}]", field: "route[0].weight",
      "must not be negative"),
    route(
      "weight is a string", "route: [{destination: {host: a}, weight: '1'}]", field: "route[0].weight",
      "must be a number, not a string"),
    route(
      "weights are 0", "route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]",
      field: "route", "all 0"),
    route(
      "weights missing", "route: [{destination: {host: a}}, {destination: {host: b}}]", field: "route", "all 0"),
    route(
      "weights too large", "route: [{destination: {host: a}, weight: 4294967295}, {destination: {host: b}, weight: 1}]",
      field: "route", "add up to 4294967296"),
    route(
      "weight too large", "route: [{destination: {host: a}, weight: 4294967296}]", field: "route[0].weight", "between"),
    route("timeout", "\(Sample.destination), timeout: 5 seconds", field: "timeout", "must be a duration"),
    route(
      "timeout is a number", "\(Sample.destination), timeout: 5", field: "timeout", "must be a string, not a number"),
    route("negative timeout", "\(Sample.destination), timeout: -5s", field: "timeout", "negative"),
    route("fine timeout", "\(Sample.destination), timeout: 5us", field: "timeout", "milliseconds"),
    route("attempts", "\(Sample.destination), retries: {attempts: -1}", field: "retries.attempts", "negative"),
    route(
      "attempts missing", "\(Sample.destination), retries: {retryOn: 5xx}", field: "retries.attempts", "must not be 0"),
    route(
      "retryOn", "\(Sample.destination), retries: {attempts: 1, retryOn: '5xx,often'}", field: "retries.retryOn",
      "\"often\""),
    match("regex", "uri: {regex: '('}", field: "uri.regex", "missing )"),
    match("lookahead", "uri: {regex: '(?=a)'}", field: "uri.regex", "RE2"),
    match("back reference", "uri: {regex: '(a)\\1'}", field: "uri.regex", "RE2"),
    match("empty prefix", "uri: {prefix: ''}", field: "uri.prefix", "must not be empty"),
    match("empty regex", "headers: {a: {regex: ''}}", field: "headers.a.regex", "must not be empty"),
    match("two kinds of match", "uri: {prefix: /a, exact: /b}", field: "uri", "exactly one of"),
    match("no kind of match", "uri: {}", field: "uri", "exactly one of"),
    match("header name", "headers: {'a b': {exact: c}}", field: "headers[\"a b\"]", "not a valid header name"),
    match("line break", "headers: {a: {exact: \"b\\nc\"}}", field: "headers.a.exact", "control characters"),
    match("NUL in a value", "headers: {a: {exact: \"b\\0c\"}}", field: "headers.a.exact", "control characters"),
    match("match port", "port: 65536", field: "port", "between"),
    match("query parameter", "queryParams: {'': {exact: a}}", field: "queryParams[\"\"]", "parameter name"),
    Case(
      "nothing left", Sample.route("match: [{scheme: {exact: https}}], \(Sample.destination)"), line: 4,
      field: "spec.http",
      "no route is left"),
  ]

  @Test(arguments: wrongDocuments) func aDocumentThatSaysNothing(_ input: Case) {
    let decoded = Decoded(input.text + (input.text.hasSuffix("\n") ? "" : "\n") + "---\n" + Sample.service("other"))
    expectProblem(decoded, input)
    #expect(!decoded.isComplete)
    #expect(decoded.objects.map(\.key.id.name) == ["other"], "the neighbour is still read")
  }

  @Test(arguments: unsupportedKinds) func anotherKind(_ input: Case) {
    let decoded = Decoded(input.text)
    expectProblem(decoded, input)
    #expect(decoded.isComplete)
    #expect(decoded.documents.isEmpty)
  }

  @Test(arguments: objects + routes + nodes) func anObject(_ input: Case) {
    let decoded = Decoded(input.text)
    expectProblem(decoded, input)
    #expect(decoded.isComplete)
    if input.severity == .error {
      #expect(decoded.documents.count == 1)
      #expect(decoded.documents.first?.object == nil, "an object with an error is refused")
      #expect(decoded.documents.first?.problems.filter { $0.severity == .error }.count == 1, "\(decoded.lines)")
    }
  }

  private func expectProblem(_ decoded: Decoded, _ input: Case) {
    let found = decoded.problems.first {
      $0.severity == input.severity && $0.field == input.field && $0.message.contains(input.message)
        && $0.location?.file == "f.yaml" && (input.object == nil || $0.object?.description == input.object)
    }
    #expect(found != nil, "not reported; found: \(decoded.lines)")
    if let found { #expect(found.location?.line == input.line, "\(found)") }
  }

  @Test func aFileOver16MiBIsRefused() {
    let decoded = Decoded(bytes: Array(repeating: UInt8(ascii: "#"), count: (16 << 20) + 1))
    #expect(decoded.lines == ["f.yaml: error: is larger than 16 MiB"])
    #expect(!decoded.isComplete)
  }

  @Test func invalidUTF8IsFoundByItsLineAndCostsItsDocumentOnly() {
    let bytes = Array("a: b\nc: ".utf8) + [0xC3, 0x28, 0x0A] + Array("---\n\(Sample.service())".utf8)
    let decoded = Decoded(bytes: bytes)
    #expect(decoded.lines == ["f.yaml:2: error: is not valid UTF-8"])
    #expect(decoded.objects.count == 1)
    #expect(!decoded.isComplete)
  }

  @Test func aliasesAreBounded() {
    var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...30 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1), *a\(level - 1)]\n" }
    #expect(Decoded(bomb).lines == ["f.yaml:1: error: its YAML aliases expand too far"])

    var chain = "a0: &a0 [x]\n"
    for level in 1...20_000 { chain += "a\(level): &a\(level) [*a\(level - 1)]\n" }
    #expect(Decoded(chain).lines == ["f.yaml:1: error: its YAML aliases expand too far"])

    var key = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...30 { key += "? &a\(level) [*a\(level - 1), *a\(level - 1), *a\(level - 1)]\n: x\n" }
    #expect(Decoded(key).lines == ["f.yaml:1: error: its YAML aliases expand too far"])
  }

  @Test func oneDocumentReportsAtMostAHundredProblems() {
    let ports = (0..<5_000).map { "{name: p\($0), port: 0}" }.joined(separator: ",")
    #expect(Decoded(Sample.service(ports: "[\(ports)]")).problems.count == 101)
  }
}
