import EnvoyHarness
import Foundation
import Yams

/// The pods of the shop: a server in this process for each endpoint that the manifests name.
///
/// Reading them from the manifests, and not from a list here, lets a newcomer add an endpoint with nothing but an editor.
actor SampleBackends {
  /// An endpoint as a manifest names it.
  private struct Endpoint: Hashable {
    var ip: String
    var port: Int
    var pod: String
    var version: String
    var isHTTP: Bool
    var address: String { "\(ip):\(port)" }
  }

  private var http: [String: Backend] = [:]
  private var tcp: [String: TCPBackend] = [:]

  /// Starts a backend for each endpoint in the directory that has none yet; none is ever stopped here, as a pod too
  /// goes on for a while after its endpoint has gone.
  ///
  /// Whoever adds an endpoint in an editor gets its backend a moment after the endpoint is live; until then Envoy retries
  /// on another.
  ///
  /// - Returns: what was started, as `POD at IP:PORT`.
  func startMissing(in manifests: ManifestDirectory) async throws -> [String] {
    var started: [String] = []
    for endpoint in try Self.endpoints(in: manifests) {
      guard http[endpoint.address] == nil, tcp[endpoint.address] == nil else { continue }
      if endpoint.isHTTP {
        http[endpoint.address] = try await Backend.start(
          endpoint.pod, version: endpoint.version, ip: endpoint.ip, port: endpoint.port)
      } else {
        tcp[endpoint.address] = try await TCPBackend.start(endpoint.pod, ip: endpoint.ip, port: endpoint.port)
      }
      started.append("\(endpoint.pod) at \(endpoint.address)")
    }
    return started
  }

  /// Starts one ahead of its endpoint, as a pod listens before it is ready: an endpoint that is written first is sent
  /// traffic while nobody listens there yet, and only Envoy's retries would hide it.
  func start(_ pod: String, version: String, ip: String, port: Int) async throws {
    http["\(ip):\(port)"] = try await Backend.start(pod, version: version, ip: ip, port: port)
  }

  /// Requests that the backend at an address has had.
  func requests(at address: String) -> Int { http[address]?.requests ?? 0 }

  /// Stops one, as at the end of a pod.
  func stop(_ address: String) async {
    await http.removeValue(forKey: address)?.stop()
    await tcp.removeValue(forKey: address)?.stop()
  }

  private static func endpoints(in manifests: ManifestDirectory) throws -> [Endpoint] {
    var slices: [[String: Any]] = []
    var versions: [String: String] = [:]
    for file in manifests.files {
      // Half-written or broken files are Weir's to complain about; here they only mean "nothing new".
      guard let documents = try? Array(Yams.load_all(yaml: manifests.read(file))) else { continue }
      for case let object as [String: Any] in documents {
        let metadata = object["metadata"] as? [String: Any] ?? [:]
        switch object["kind"] as? String {
        case "EndpointSlice": slices.append(object)
        case "Pod":
          let labels = metadata["labels"] as? [String: Any]
          if let name = metadata["name"] as? String { versions[name] = labels?["version"] as? String }
        default: break
        }
      }
    }
    return slices.flatMap { slice -> [Endpoint] in
      let ports = slice["ports"] as? [[String: Any]] ?? []
      let endpoints = slice["endpoints"] as? [[String: Any]] ?? []
      return ports.flatMap { port in
        endpoints.flatMap { endpoint -> [Endpoint] in
          let pod = (endpoint["targetRef"] as? [String: Any])?["name"] as? String
          return (endpoint["addresses"] as? [String] ?? []).filter { $0.hasPrefix("127.") }.map { ip in
            Endpoint(
              ip: ip, port: port["port"] as? Int ?? 0, pod: pod ?? ip, version: pod.flatMap { versions[$0] } ?? "-",
              isHTTP: (port["name"] as? String)?.hasPrefix("http") == true)
          }
        }
      }
    }
  }
}
