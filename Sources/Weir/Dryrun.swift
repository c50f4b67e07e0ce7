internal import Admission
internal import ManifestSource
internal import TrafficCompiler
internal import TrafficModel

/// What would be wrong if something were served.
enum Dryrun {
  /// The problems of the gate and of the compiler, as a server that starts with this input and without a state directory lists
  /// them.
  static func problems(of batch: SourceBatch, clusterDomain: String) -> [Problem] {
    var gate = AdmissionGate(clusterDomain: clusterDomain)
    let change = gate.apply(batch.updates, isInitialScan: true)
    let compiler = TrafficCompiler(clusterDomain: clusterDomain)
    compiler.apply(change.edits)
    return (gate.problems + compiler.problems).sorted(by: Problem.precedes)
  }
}
