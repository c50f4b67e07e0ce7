internal import Synchronization

/// Something large on its way between threads. What it holds is in no other hands, so where it is taken out or thrown away is where
/// its memory is given back, which takes hundreds of milliseconds for some hundred thousand names.
final class Parcel<Content: Sendable>: Sendable {
  private let content: Mutex<Content?>

  init(_ content: consuming Content?) { self.content = Mutex(content) }

  /// Looks at it where it is.
  func read<Result: Sendable>(_ body: (Content) -> Result?) -> Result? {
    content.withLock { content in content.flatMap(body) }
  }

  /// Gives what is in it for something else.
  func exchange(with other: inout Content?) {
    content.withLock { swap(&$0, &other) }
  }

  func take() -> Content? {
    var content: Content?
    exchange(with: &content)
    return content
  }

  func empty() { _ = take() }
}
