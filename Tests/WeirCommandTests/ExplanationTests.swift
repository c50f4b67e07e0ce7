import AdminServer
import Foundation
import Testing

@testable import WeirCommand

@Suite struct ExplanationTests {
  private let edit = ChangeReport.Step(
    kind: .edited, unit: "slices[shop/reviews-1]", changed: true, because: nil, object: "EndpointSlice shop/reviews-1",
    place: "shop/reviews.yaml:12")
  private let parts = ChangeReport.Step(
    kind: .ran, unit: "sliceParts[shop/reviews-1]", changed: true, because: 0, object: nil, place: nil)
  private let assignment = ChangeReport.Step(
    kind: .ran, unit: "assignments[outbound|80||reviews]", changed: true, because: 1, object: nil, place: nil)

  private func change(_ generation: UInt64, _ names: [String], step: Int? = 2) -> ChangeReport {
    ChangeReport(
      at: Date(timeIntervalSince1970: 1_700_000_000), generation: generation, steps: [edit, parts, assignment],
      changed: names.map { .init(type: .endpoint, name: $0, step: step) }, omittedSteps: 0)
  }

  @Test func theChainGoesFromTheResourceDownToTheFile() throws {
    let list = ChangeList(kept: 10, changes: [change(8, ["other"]), change(7, ["outbound|80||reviews"])])
    #expect(
      try Explanation(list, of: "reviews").text == """
        generation 7, 2023-11-14T22:13:20Z
        endpoint outbound|80||reviews
          because assignments[outbound|80||reviews] ran
          because sliceParts[shop/reviews-1] ran
          edit of EndpointSlice shop/reviews-1 in shop/reviews.yaml:12

        """)
    #expect(try Explanation(list, of: nil).text.hasPrefix("generation 8,"))
  }

  @Test func whatIsNotKnownIsSaid() throws {
    #expect(throws: CommandFailure.self) { try Explanation(ChangeList(kept: 0, changes: []), of: nil) }
    #expect(throws: CommandFailure.self) { try Explanation(ChangeList(kept: 3, changes: [change(1, ["a"])]), of: "b") }
    let many = ChangeList(kept: 3, changes: [change(1, (0..<25).map { "a\($0)" }, step: nil)])
    let text = try Explanation(many, of: "a").text
    #expect(text.contains("  not recorded"))
    #expect(text.hasSuffix("and 5 more; name one to see why it changed\n"))
  }

  @Test func aServerThatSendsNonsenseCausesNoEndlessChain() throws {
    var circle = change(1, ["a"])
    circle.steps[1].because = 2
    #expect(try Explanation(ChangeList(kept: 1, changes: [circle]), of: "a").text.split(separator: "\n").count == 4)
  }

  @Test func serveKeepsAsManyChangesAsItIsTold() throws {
    func changes(_ arguments: [String]) throws -> Int {
      try ServeCommand.parse(["--manifests", "/"] + arguments).options(descriptors: 1024).changes
    }
    #expect(try changes([]) == 100)
    #expect(try changes(["--changes", "0"]) == 0)
    #expect(throws: (any Error).self) { try changes(["--changes", "10001"]) }
  }
}
