import Synchronization
import TrafficModel

/// What an edit becomes before the graphs are told of it: one reference, made of the edit alone.
enum PreparedEdit {
  /// There is nothing to make.
  case plain
  case service(Box<KubernetesService>)
  case slice(Box<SliceFacts>)
  /// A pod's.
  case labels(LabelList)
  case rule(Box<DestinationRule>)
  case routes(Box<VirtualService>)

  /// - Parameter former: what a slice said before; see `SliceFacts`.
  init(_ edit: Edit, _ labels: inout LabelLists, former: (NamespacedName) -> Box<SliceFacts>?) {
    switch edit {
    case .upsert(.service(let object)): self = .service(Box(object))
    case .upsert(.endpointSlice(let object)): self = .slice(Box(SliceFacts(object, former: former(object.id))))
    case .upsert(.pod(let object)): self = .labels(labels.list(object.labels))
    case .upsert(.destinationRule(let object)): self = .rule(Box(object))
    case .upsert(.virtualService(let object)): self = .routes(Box(object))
    case .upsert(.node), .upsert(.namespace), .delete: self = .plain
    }
  }
}

/// Makes what the edits of a large batch become, portion by portion, for two threads: the one that comes to a portion first makes
/// it, and as a rule that is the one that has less to do otherwise.
///
/// `@unchecked Sendable`: a place is written under the lock, before its portion counts as made, and read after that; what
/// one thread alone needs it takes, and the rest stays.
final class PreparedEdits: @unchecked Sendable {
  private let edits: [Edit]
  private let portions: Portions
  private let places: UnsafeMutablePointer<PreparedEdit>
  private let making = Mutex<Void>(())
  /// How many portions have been made.
  private let made: Atomic<Int>

  /// - Parameter first: the portion to begin with.
  init(_ edits: [Edit], _ portions: Portions, from first: Int) {
    self.edits = edits
    self.portions = portions
    made = Atomic(first)
    places = .allocate(capacity: edits.count)
    places.initialize(repeating: .plain, count: edits.count)
  }

  deinit {
    places.deinitialize(count: edits.count)
    places.deallocate()
  }

  /// Returns when a portion and all before it have been made.
  func make(_ portion: Int) {
    guard made.load(ordering: .acquiring) <= portion else { return }
    making.withLock { _ in
      var next = made.load(ordering: .relaxed)
      while next <= portion {
        var labels = LabelLists()
        for place in portions.places(next) {
          places[place] = PreparedEdit(edits[Int(portions.order[place])], &labels) { _ in nil }
        }
        next += 1
        made.store(next, ordering: .releasing)
      }
    }
  }

  /// What has been made at a place of a portion.
  subscript(place: Int) -> PreparedEdit { places[place] }

  /// The same for the graph of clusters; what that graph alone needs is then gone from here.
  func take(_ place: Int) -> PreparedEdit {
    switch places[place] {
    case .service, .routes, .plain: return places[place]
    case .slice, .labels, .rule: break
    }
    let taken = (places + place).move()
    (places + place).initialize(to: .plain)
    return taken
  }
}
