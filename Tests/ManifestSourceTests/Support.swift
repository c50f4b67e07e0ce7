import ManifestSource
import Testing
import TrafficModel

/// What a file decodes to.
struct Decoded {
  var documents: [SourceDocument]
  var isComplete: Bool
  var fileProblems: [Problem]

  init(_ text: String, file: String = "f.yaml") { self.init(bytes: Array(text.utf8), file: file) }

  init(bytes: [UInt8], file: String = "f.yaml") {
    guard case .documents(let documents, let isComplete, let problems) = ManifestDecoder.decode(bytes, file: file)
    else {
      fatalError("a file is never decoded to a removal")
    }
    self.documents = documents
    self.isComplete = isComplete
    fileProblems = problems
  }

  var problems: [Problem] { fileProblems + documents.flatMap(\.problems) }
  var objects: [TrafficObject] { documents.compactMap(\.object) }
  var lines: [String] { problems.map(\.description) }
}

extension TrafficObject {
  var service: KubernetesService? { if case .service(let object) = self { object } else { nil } }
  var slice: EndpointSlice? { if case .endpointSlice(let object) = self { object } else { nil } }
  var pod: Pod? { if case .pod(let object) = self { object } else { nil } }
  var rule: DestinationRule? { if case .destinationRule(let object) = self { object } else { nil } }
  var virtualService: VirtualService? { if case .virtualService(let object) = self { object } else { nil } }
}

enum Sample {
  static func service(_ name: String = "reviews", ports: String = "[{name: http, port: 80}]", more: String = "")
    -> String
  {
    """
    apiVersion: v1
    kind: Service
    metadata: {name: \(name), namespace: shop}
    spec:
      ports: \(ports)
      \(more)

    """
  }

  static func slice(_ endpoints: String, type: String = "IPv4", ports: String = "[{name: http, port: 8080}]") -> String
  {
    """
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: reviews-1, namespace: shop, labels: {kubernetes.io/service-name: reviews}}
    addressType: \(type)
    ports: \(ports)
    endpoints: \(endpoints)

    """
  }

  static func rule(_ spec: String) -> String {
    """
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: reviews, namespace: shop}
    spec: \(spec)

    """
  }

  static func virtualService(_ spec: String) -> String {
    """
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: reviews, namespace: shop}
    spec: \(spec)

    """
  }

  /// A VirtualService with one route, whose fields are given.
  static func route(_ fields: String) -> String { virtualService("{hosts: [reviews], http: [{\(fields)}]}") }
  static let destination = "route: [{destination: {host: reviews}}]"
}
