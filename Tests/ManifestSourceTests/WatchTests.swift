import Dispatch
import Foundation
import ManifestSource
import Synchronization
import Testing
import TrafficModel

/// The watch on a real directory.
@Suite(.serialized) struct WatchTests {
  private func service(_ name: String, _ port: Int = 80) -> String { Sample.service(name, ports: "[{port: \(port)}]") }

  private func watching(
    _ directory: TemporaryDirectory, _ roots: [String]? = nil, _ body: (Watched) async throws -> Void
  ) async throws {
    let watched = Watched(roots ?? [directory.path])
    try await watched.until("the first scan") { !$0.batches.isEmpty }
    try await body(watched)
    try await watched.stop()
  }

  @Test func theFirstBatchIsTheFullScanAlsoWhenEmpty() async throws {
    let directory = try TemporaryDirectory()
    try await watching(directory) { watched in
      #expect(watched.batches[0].isInitialScan)
      #expect(watched.services.isEmpty)
      #expect(watched.problems == ["\(directory.path): warning: the directory holds no manifests"])
    }
    try directory.write("a.yaml", service("a"))
    try directory.makeDirectory("sub/deep")
    try directory.write(
      "sub/deep/b.json", #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"b"},"spec":{"ports":[{"port":1}]}}"#)
    try directory.write("sub/c.yml", service("c"))
    try directory.write(".hidden.yaml", service("hidden"))
    try directory.write("notes.txt", service("notes"))
    try await watching(directory) { watched in
      #expect(watched.batches[0].isInitialScan)
      #expect(Set(watched.services.keys) == ["a", "b", "c"])
      #expect(watched.batches[0].updates.map(\.origin) == ["a.yaml", "sub/c.yml", "sub/deep/b.json"].map(directory.at))
    }
    let once = ManifestSource.scanOnce(directories: [directory.path + "/"])
    #expect(once.isInitialScan)
    #expect(once.updates.map(\.origin) == ["a.yaml", "sub/c.yml", "sub/deep/b.json"].map(directory.at))
  }

  @Test func aWriteInPlaceIsTakenWhenItIsClosed() async throws {
    let directory = try TemporaryDirectory()
    try directory.write("a.yaml", service("a", 1))
    try await watching(directory) { watched in
      let handle = try #require(FileHandle(forWritingAtPath: directory.at("a.yaml")))
      try handle.truncate(atOffset: 0)
      try handle.write(contentsOf: Data("apiVersion: v1\n".utf8))
      try directory.write("b.yaml", service("b"))
      try await watched.until("b") { $0.services["b"] != nil }
      #expect(watched.services["a"] == [1], "half a file is not read")
      try handle.truncate(atOffset: 0)
      try handle.seek(toOffset: 0)
      try handle.write(contentsOf: Data(service("a", 2).utf8))
      try handle.close()
      try await watched.until("a") { $0.services["a"] == [2] }
    }
  }

  @Test func everyWayToSaveIsSeenAndNoneAsARemoval() async throws {
    let directory = try TemporaryDirectory()
    try directory.write("a.yaml", service("a", 1))
    try await watching(directory) { watched in
      for round in 0..<20 {
        let port = round * 10
        try directory.replace("a.yaml", service("a", port + 2))
        try await watched.until("rename over") { $0.services["a"] == [UInt16(port + 2)] }
        // vim with `backupcopy=no`: the file is renamed away and written anew.
        try directory.move("a.yaml", to: "a.yaml~")
        try directory.write("a.yaml", service("a", port + 3))
        try directory.remove("a.yaml~")
        try await watched.until("vim") { $0.services["a"] == [UInt16(port + 3)] }
        // Removed and written, as git does.
        try directory.remove("a.yaml")
        try directory.write("a.yaml", service("a", port + 4))
        try await watched.until("git") { $0.services["a"] == [UInt16(port + 4)] }
        // Emptied, closed, and filled.
        try directory.write("a.yaml", "")
        try directory.write("a.yaml", service("a", port + 5))
        try await watched.until("emptied") { $0.services["a"] == [UInt16(port + 5)] }
      }
      #expect(watched.removed.isEmpty)
      for batch in watched.batches.dropFirst() {
        for update in batch.updates {
          guard case .documents(let documents, _, _) = update.content else { continue }
          #expect(documents.count == 1, "no batch is without the object")
        }
      }
      try directory.remove("a.yaml")
      try await watched.until("removed") { $0.removed == [directory.at("a.yaml")] }
    }
  }

  @Test func anEqualFileIsNotParsedAgainAndWritesWithinOneTickAreAllSeen() async throws {
    let directory = try TemporaryDirectory()
    try directory.write("a.yaml", service("a", 1))
    try await watching(directory) { watched in
      let before = watched.updateCount
      try directory.write("a.yaml", service("a", 1))
      try directory.write("b.yaml", service("b", 1))
      try await watched.until("b") { $0.services["b"] != nil }
      #expect(watched.updateCount == before + 1)
      for port in 10..<60 { try directory.write("a.yaml", service("a", port)) }
      try await watched.until("the last of them") { $0.services["a"] == [59] }
    }
  }

  @Test func aConfigMapSwapIsFollowed() async throws {
    let directory = try TemporaryDirectory()
    func version(_ name: String, _ files: [String: String]) throws {
      try directory.makeDirectory("..\(name)")
      for (file, text) in files { try directory.write("..\(name)/\(file)", text) }
    }
    try version("1", ["a.yaml": service("a", 1), "b.yaml": service("b", 1)])
    try directory.link("..data", to: "..1")
    for file in ["a.yaml", "b.yaml"] { try directory.link(file, to: "..data/\(file)") }
    try await watching(directory) { watched in
      #expect(watched.services == ["a": [1], "b": [1]])
      #expect(watched.batches[0].updates.map(\.origin) == ["a.yaml", "b.yaml"].map(directory.at), "each once")
      for round in 2..<12 {
        try version("\(round)", ["a.yaml": service("a", round), "b.yaml": service("b", round)])
        try directory.link("..data_tmp", to: "..\(round)")
        try directory.move("..data_tmp", to: "..data")
        try directory.remove("..\(round - 1)")
        try await watched.until("round \(round)") { $0.services == ["a": [UInt16(round)], "b": [UInt16(round)]] }
      }
      #expect(watched.removed.isEmpty)
      #expect(watched.problems.isEmpty)
    }
  }

  @Test func aLinkToAFileElsewhereIsFollowed() async throws {
    let directory = try TemporaryDirectory()
    let elsewhere = try TemporaryDirectory()
    try elsewhere.write("real.yaml", service("a", 1))
    try directory.link("a.yaml", to: elsewhere.at("real.yaml"))
    try await watching(directory) { watched in
      try elsewhere.write("real.yaml", service("a", 2))
      try await watched.until("in place") { $0.services["a"] == [2] }
      try elsewhere.replace("real.yaml", service("a", 3))
      try await watched.until("renamed over") { $0.services["a"] == [3] }
    }
  }

  @Test func directoriesComeMoveAndGo() async throws {
    let directory = try TemporaryDirectory()
    try await watching(directory) { watched in
      try directory.makeDirectory("one/two")
      try directory.write("one/two/a.yaml", service("a", 1))
      try await watched.until("created") { $0.services["a"] == [1] }
      try directory.write("one/two/a.yaml", service("a", 2))
      try await watched.until("watched") { $0.services["a"] == [2] }
      try directory.move("one", to: "three")
      try await watched.until("moved") { $0.removed.contains(directory.at("one/two/a.yaml")) }
      try directory.write("three/two/b.yaml", service("b", 3))
      try await watched.until("watched where it is") { $0.services == ["a": [2], "b": [3]] }
      try directory.remove("three")
      try await watched.until("removed") { $0.services.isEmpty }
      #expect(watched.problems == ["\(directory.path): warning: the directory holds no manifests"])
    }
  }

  @Test func aRootThatIsGoneKeepsWhatItHadAndIsFoundAgain() async throws {
    let directory = try TemporaryDirectory()
    try directory.makeDirectory("root")
    try directory.write("root/a.yaml", service("a", 1))
    try directory.write("root/b.yaml", service("b", 1))
    let root = directory.at("root")
    try await watching(directory, [root]) { watched in
      try directory.move("root", to: "away")
      try await watched.until("a problem") {
        $0.problems == ["\(root): error: the directory cannot be read: No such file or directory"]
      }
      #expect(watched.removed.isEmpty)
      #expect(watched.services.count == 2)
      try directory.remove("away/b.yaml")
      try directory.write("away/a.yaml", service("a", 2))
      try directory.move("away", to: "root")
      try await watched.until("it is back") { $0.problems.isEmpty && $0.services == ["a": [2]] }
      try directory.write("root/a.yaml", service("a", 3))
      try await watched.until("it is watched") { $0.services["a"] == [3] }
    }
    let missing = ManifestSource.scanOnce(directories: [directory.at("nowhere")])
    #expect(missing.updates.map(\.origin) == [directory.at("nowhere")])
  }

  /// A volume that is taken out leaves an empty directory behind.
  @Test func aRootThatComesBackEmptyKeepsWhatItHad() async throws {
    let directory = try TemporaryDirectory()
    try directory.makeDirectory("m")
    try directory.write("m/a.yaml", service("a", 1))
    try directory.write("m/b.yaml", service("b", 1))
    let watched = Watched([directory.at("m")])
    try await watched.until("the first scan") { $0.services.count == 2 }
    try directory.move("m", to: "elsewhere")
    try directory.makeDirectory("m")
    let problem =
      "\(directory.at("m")): error: the directory has come back without a manifest, and what was in it stays "
      + "until there is one"
    try await watched.until("the problem") { $0.problems == [problem] }
    #expect(watched.services.count == 2)
    #expect(!watched.removed.contains(directory.at("m/a.yaml")))
    // It is the right one again, but for one file.
    try directory.write("m/b.yaml", service("b", 2))
    try await watched.until("the rest") { $0.services == ["b": [2]] && $0.problems.isEmpty }
    // And what is deleted while the directory stays is gone.
    try directory.remove("m/b.yaml")
    try await watched.until("nothing left") { $0.services.isEmpty }
    try await watched.stop()
  }

  @Test func aFileWithoutAByteTakesNothingAway() async throws {
    let directory = try TemporaryDirectory()
    try directory.write("a.yaml", service("a", 1))
    try await watching(directory) { watched in
      try directory.write("a.yaml", "")
      let problem = "\(directory.at("a.yaml")): warning: is empty; remove the file to remove what was in it"
      try await watched.until("the problem") { $0.problems == [problem] }
      try directory.write("a.yaml", service("a", 2))
      try await watched.until("written") { $0.services["a"] == [2] && $0.problems.isEmpty }
      #expect(watched.removed.isEmpty)
    }
  }

  @Test func aLinkToNothingIsAProblemUntilItsTargetComes() async throws {
    let directory = try TemporaryDirectory()
    let elsewhere = try TemporaryDirectory()
    try elsewhere.write("target", service("a", 1))
    try directory.link("a.yaml", to: elsewhere.at("target"))
    try directory.link("loop.yaml", to: "loop.yaml")
    try await watching(directory) { watched in
      #expect(watched.problems.count == 1 && watched.problems[0].contains("loop.yaml: error: cannot be read: "))
      try elsewhere.remove("target")
      let problem = "\(directory.at("a.yaml")): error: is a link to nothing"
      try await watched.until("the problem") { $0.problems.contains(problem) }
      #expect(watched.removed.isEmpty)
      let told = watched.updateCount
      try elsewhere.write("target", service("a", 2))
      try await watched.until("the target is back") { $0.services["a"] == [2] }
      #expect(watched.updateCount <= told + 2, "a link to nothing is told of once")
      try elsewhere.write("target", service("a", 3))
      try await watched.until("and is watched again") { $0.services["a"] == [3] }
      try directory.remove("a.yaml")
      try await watched.until("removed") { $0.services.isEmpty }
    }
  }

  @Test func aLinkedRootIsFollowedWhenTheLinkIsSwapped() async throws {
    let directory = try TemporaryDirectory()
    for version in 1...2 {
      try directory.makeDirectory("v\(version)")
      try directory.write("v\(version)/a.yaml", service("a", version))
    }
    try directory.link("current", to: "v1")
    try await watching(directory, [directory.at("current")]) { watched in
      try directory.link("next", to: "v2")
      try directory.move("next", to: "current")
      try await watched.until("swapped") { $0.services["a"] == [2] }
      #expect(watched.removed.isEmpty)
      try directory.write("v2/a.yaml", service("a", 3))
      try await watched.until("watched") { $0.services["a"] == [3] }
    }
  }

  @Test func whatCannotBeReadIsAProblemAndTakesNothingAway() async throws {
    let directory = try TemporaryDirectory()
    try directory.write("a.yaml", service("a", 1))
    try directory.write("large", String(repeating: "# \n", count: 6_000_000))
    try await watching(directory) { watched in
      try directory.remove("a.yaml")
      guard mkfifo(directory.at("a.yaml"), 0o600) == 0 else { throw CocoaError(.fileWriteUnknown) }
      try await watched.until("a pipe") { $0.problems == ["\(directory.at("a.yaml")): error: is not a regular file"] }
      try directory.move("large", to: "a.yaml")
      try await watched.until("too large") {
        $0.problems == ["\(directory.at("a.yaml")): error: is larger than 16 MiB"]
      }
      #expect(watched.removed.isEmpty)
      try directory.write("a.yaml", service("a", 2))
      try await watched.until("good again") { $0.problems.isEmpty && $0.services["a"] == [2] }
    }
  }

  @Test func manyFilesAtOnce() async throws {
    let directory = try TemporaryDirectory()
    for part in 0..<10 { try directory.makeDirectory("d\(part)") }
    try await watching(directory) { watched in
      for number in 0..<1_000 { try directory.write("d\(number % 10)/f\(number).yaml", service("s\(number)", 1)) }
      try await watched.until("1,000 files") { $0.services.count == 1_000 }
      for number in 0..<1_000 { try directory.replace("d\(number % 10)/f\(number).yaml", service("s\(number)", 2)) }
      try await watched.until("1,000 changes") { $0.services.values.allSatisfy { $0 == [2] } }
      #expect(watched.removed == [directory.path], "the directory's warning and no file")
      for part in 0..<10 { try directory.remove("d\(part)") }
      try await watched.until("nothing left") { $0.services.isEmpty }
    }
  }

  /// Each change wakes the executor of whoever is told, and none of Swift's own threads for it.
  @Test func whoeverIsToldIsWokenOnAnExecutorOfItsOwn() async throws {
    let directory = try TemporaryDirectory()
    let executor = WitnessExecutor()
    let watched = Watched([directory.path], on: executor)
    try await watched.until("the first batch") { !$0.batches.isEmpty }
    for round in 1...5 {
      executor.forget()
      try directory.write("a.yaml", service("a", round))
      try await watched.until("round \(round)") { $0.services["a"] == [UInt16(round)] }
      #expect(executor.wakers.first == "weir-manifests\n")
    }
    try await watched.stop()
  }

  @Test func aChangeIsTakenWithin50Milliseconds() async throws {
    let directory = try TemporaryDirectory()
    for number in 0..<100 { try directory.write("f\(number).yaml", service("s\(number)", 1)) }
    try await watching(directory) { watched in
      var latencies: [Duration] = []
      for round in 1...40 {
        let start = ContinuousClock.now
        try directory.write("f7.yaml", service("s7", round + 1))
        try await watched.until("round \(round)") { $0.services["s7"] == [UInt16(round + 1)] }
        latencies.append(ContinuousClock.now - start)
      }
      latencies.sort()
      print("pick-up latency: median \(latencies[20]), worst \(latencies[39])")
      #expect(latencies[20] < .milliseconds(50))
    }
  }
}

/// Writes down which threads give it something to do.
private final class WitnessExecutor: TaskExecutor {
  private let queue = DispatchQueue(label: "witness")
  private let state = Mutex<[String]>([])
  var wakers: [String] { state.withLock { $0 } }

  func forget() { state.withLock { $0 = [] } }

  func enqueue(_ job: consuming ExecutorJob) {
    let thread = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? ""
    state.withLock { $0.append(thread) }
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
