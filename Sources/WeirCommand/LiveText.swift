import AdminServer
import Foundation
import ReleaseControl

/// Where a generation is live, and where it is not and why: as `weir live` and `weir release --wait` print it.
struct LiveText {
  let text: String

  init(_ report: ConvergenceReport) {
    self.init(
      LiveReport.headline(
        generation: report.generation, isLive: report.live, live: report.liveCount, total: report.total,
        scope: report.scope),
      report.generation > report.newestGeneration ? ["the newest is \(report.newestGeneration)"] : [],
      report.proxies.filter { $0.state != "live" }.map { proxy in
        let since = proxy.disconnectedSince.map { " since \($0.formatted(.iso8601))" } ?? ""
        let stream = proxy.type.map { " (\($0.rawValue) stream)" } ?? ""
        return (proxy.nodeID, proxy.remoteAddress, proxy.state + since + stream, proxy.explanation)
      })
  }

  init(_ report: LiveReport) {
    self.init(
      report.headline, report.reason.map { [$0] } ?? [],
      report.laggards.map { ($0.node, $0.address, $0.state, $0.reasons) })
  }

  private init(
    _ headline: String, _ notes: [String], _ proxies: [(node: String, address: String, state: String, why: [String])]
  ) {
    var lines = [headline] + notes
    for proxy in proxies {
      lines.append("\(proxy.node) \(proxy.address): \(proxy.state)")
      lines += proxy.why.map { "  " + $0 }
    }
    text = lines.map { TextTable.printable($0) + "\n" }.joined()
  }
}
