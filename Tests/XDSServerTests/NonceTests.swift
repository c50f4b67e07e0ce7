import Testing

@testable import XDSServer

@Suite struct NonceTests {
  /// A client may go on asking while nothing is published: the numbers of one generation come to their end.
  @Test func afterTheLastNumberComesTheFirst() {
    let last = Nonce(generation: 7, repetition: .max)
    #expect(last.following(in: 7) == Nonce(generation: 7, repetition: 1))
    #expect(last.following(in: 8) == Nonce(generation: 8))
    #expect(Nonce(generation: 7).following(in: 7) == Nonce(generation: 7, repetition: 1))
  }
}
