/// A value behind one reference, so that to hand it on costs one reference count, whatever is in it. The values of the graph are
/// handed on often: to each unit that reads them, to observers, and as what was there before.
final class Box<Content: Equatable & Sendable>: Sendable {
  let content: Content

  init(_ content: consuming Content) { self.content = content }
}

extension Box: Equatable {
  static func == (a: Box, b: Box) -> Bool { a === b || a.content == b.content }
}
