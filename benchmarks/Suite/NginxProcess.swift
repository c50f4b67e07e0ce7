import EnvoyHarness
import Foundation

/// Debian's nginx before the backends, as it is run where files are rewritten: one upstream in a file of its own, and
/// `nginx -s reload` after each change. One worker, as our Envoy has one.
struct NginxProcess {
  let process: ChildProcess
  let address: String
  private let program: String
  private let prefix: String

  /// - Throws: ``HarnessError`` `notFound` if scripts/install-bench has not run, `exited` if nginx refuses its configuration.
  static func start(listen address: String, backends: [Backend], in directory: TemporaryDirectory) async throws
    -> NginxProcess
  {
    let program = try ProgramFile.packageRoot() + "/.cache/nginx/usr/sbin/nginx"
    let prefix = directory.path + "/nginx"
    try FileManager.default.createDirectory(atPath: prefix, withIntermediateDirectories: true)
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map { "  \($0)_temp_path \(prefix)/\($0);\n" }.joined()
    // keepalive_requests: nginx would close a client's connection after 1,000 requests whatever happens.
    let configuration = """
      daemon off;
      worker_processes 1;
      pid \(prefix)/nginx.pid;
      error_log \(prefix)/error.log;
      events { worker_connections 1024; }
      http {
      \(paths)  access_log off;
        include \(prefix)/upstream.conf;
        server {
          listen \(address);
          keepalive_requests 10000000;
          location / {
            proxy_pass http://target;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
          }
        }
      }

      """
    try Data(configuration.utf8).write(to: URL(fileURLWithPath: prefix + "/nginx.conf"))
    try write(backends, prefix)
    let process = try await ChildProcess.spawn(
      program, ["-p", prefix, "-c", prefix + "/nginx.conf", "-e", prefix + "/error.log"], logPath: prefix + "/nginx.log"
    )
    do {
      // nginx tells nobody that it listens.
      try await poll("nginx on \(address)") {
        guard process.isRunning else { throw HarnessError(.exited, "nginx ended:\n\(process.logTail())") }
        return (try? await HTTPCall.get(address, "/").status) == 200
      }
    } catch {
      await process.kill()
      throw error
    }
    return NginxProcess(process: process, address: address, program: program, prefix: prefix)
  }

  private static func write(_ backends: [Backend], _ prefix: String) throws {
    let servers = backends.map { "  server \($0.address);\n" }.joined()
    try Data("upstream target {\n\(servers)  keepalive 32;\n}\n".utf8)
      .write(to: URL(fileURLWithPath: prefix + "/upstream.conf"), options: .atomic)
  }

  /// Rewrites the upstream, and reloads.
  func set(_ backends: [Backend]) async throws {
    try Self.write(backends, prefix)
    _ = try await ChildProcess.output(
      of: program, ["-p", prefix, "-c", prefix + "/nginx.conf", "-e", prefix + "/error.log", "-s", "reload"])
  }

  func stop() async { await process.terminate() }
}
