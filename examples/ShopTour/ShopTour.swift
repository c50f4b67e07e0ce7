import Dispatch
import EnvoyHarness
import Foundation

/// `make run`: the shop, live, until Ctrl-C; with `--check` a scripted tour that says whether all went well.
@main
struct ShopTour {
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.allSatisfy({ $0 == "--check" }) else {
      say("usage: shop-tour [--check]")
      exit(2)
    }
    do {
      if arguments.isEmpty {
        try await live()
      } else {
        try await check()
      }
    } catch {
      FileHandle.standardError.write(Data("shop-tour: \(error)\n".utf8))
      exit(1)
    }
  }

  private static func check() async throws {
    let shop = try await Shop.open(usualPorts: false)
    do {
      try await ShopCheck(shop: shop).run()
      await shop.close()
    } catch {
      say("weir's log:\n\(await shop.weir.process.logTail())")
      await shop.close()
      throw error
    }
    say("\nall went well")
  }

  private static func live() async throws {
    let shop = try await Shop.open(usualPorts: true)
    say(
      """

      Ask the shop through its sidecar, from another terminal:

        curl -i -H 'Host: frontend' http://\(shop.outbound)/
        curl -i -H 'Host: catalog.shop' http://\(shop.outbound)/items
        curl -i -H 'Host: reviews' http://\(shop.outbound)/                       # v1 and v2, 90 to 10
        curl -i -H 'Host: reviews' -H 'x-tester: yes' http://\(shop.outbound)/    # v2
        curl -i -H 'Host: orders' http://\(shop.outbound)/orders/beta             # v2
        echo hello | nc -q1 \(shop.ledger.replacingOccurrences(of: ":", with: " "))    # TCP

      See what Weir holds:

        curl http://\(shop.weir.addresses.admin)/v1/proxies
        curl http://\(shop.weir.addresses.admin)/metrics

      Now change something, say the weights in reviews.yaml, and see it here:

        \(shop.manifests.path)/

      Ctrl-C stops everything.

      """)
    let view = ShopView(shop: shop)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await view.follow() }
      group.addTask { await interruption() }
      await group.next()
      group.cancelAll()
    }
    say("\nstopping")
    await shop.close()
  }

  /// Returns at Ctrl-C or SIGTERM.
  private static func interruption() async {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
    let sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { continuation.yield() }
      source.resume()
      return source
    }
    for await _ in signals { break }
    for source in sources { source.cancel() }
  }
}

/// Writes a line at once, also where standard output is a pipe.
func say(_ text: String) {
  FileHandle.standardOutput.write(Data((text + "\n").utf8))
}
