/// Something that is there rarely: while it is not, it takes one word of what it belongs to.
@propertyWrapper
struct Rare<Value: Sendable>: Sendable {
  private final class Box: Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
  }

  private var box: Box?

  var wrappedValue: Value? {
    get { box?.value }
    set { box = newValue.map(Box.init) }
  }

  init(wrappedValue: Value?) { box = wrappedValue.map(Box.init) }
}
