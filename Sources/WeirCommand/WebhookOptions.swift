import ArgumentParser
import Weir

/// Who is told of releases, and asked.
struct WebhookOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Webhooks and gates of releases, JSON; examples/releases tells what may be in it. Read once, at the start.",
      valueName: "file"),
    completion: .file(), transform: FlagValue.nonEmpty)
  var webhooks: String?

  @Option(
    help: ArgumentHelp("How long until a gate is asked again. (default: 10)", valueName: "seconds"),
    transform: FlagValue.positiveSeconds)
  var gateInterval: Duration = .seconds(10)

  func validate() throws { _ = try configuration() }

  func configuration() throws -> WebhooksConfiguration {
    guard let webhooks else { return WebhooksConfiguration(gateInterval: gateInterval) }
    do {
      return try WebhooksConfiguration(file: webhooks, gateInterval: gateInterval)
    } catch {
      throw ValidationError("--webhooks: \(error)")
    }
  }
}
