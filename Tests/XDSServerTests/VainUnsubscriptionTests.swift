import EnvoyAPI
import HTTP2Transport
import NIOCore
import Testing
import XDSSnapshot

@testable import XDSServer

/// Requests with much that is unsubscribed from in vain, on the thread for large requests.
@Suite struct VainUnsubscriptionTests {
  /// It takes milliseconds to look through them, longer where each is looked for.
  @Test(arguments: [false, true])
  func theProcessorIsOfferedMeanwhile(_ isSubscribed: Bool) throws {
    let stream = TestStream(.delta)
    if isSubscribed { stream.subscribe(.endpoint, ["service-7"]) }
    var request = DeltaDiscoveryRequest()
    request.typeURL = ResourceType.endpoint.typeURL
    request.resourceNamesUnsubscribe = (0..<6400).map { "service-\($0)" }
    var time = NIODeadline.uptimeNanoseconds(0)
    var count = 0
    var hold = ProcessorHold(since: time, now: { time }, yieldProcessor: { count += 1 })
    let lean = request.encoded().withUnsafeBytes { bytes in
      XDSStream.lean(bytes, stream.session) {
        time = time + .microseconds(30)
        hold.giveWay()
      }
    }
    #expect(try #require(lean).leftOut == (isSubscribed ? 6399 : 6400))
    // Once after the first look, and then each 64 names; each fourth time a tenth of a millisecond is over.
    #expect(count == 101 / 4)
  }
}
