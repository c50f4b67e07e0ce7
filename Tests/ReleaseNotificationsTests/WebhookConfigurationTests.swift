import ReleaseNotifications
import Testing

@Suite struct WebhookConfigurationTests {
  @Test func fieldsHaveDefaults() throws {
    let webhooks = try WebhookConfiguration.list(
      json: Array(
        """
        {"webhooks": [
          {"name": "a", "url": "https://example.com/hook"},
          {"name": "b", "url": "http://127.0.0.1:8080/", "kind": "generic", "secret": "s", "gate": "confirm-rollout",
           "timeout": 2.5, "retries": 0, "failureThreshold": 3, "metadata": {"team": "shop"}},
          {"name": "c", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", "kind": "wecom",
           "events": ["rollback"]}
        ]}
        """.utf8))
    #expect(
      webhooks == [
        WebhookConfiguration(name: "a", url: "https://example.com/hook"),
        WebhookConfiguration(
          name: "b", url: "http://127.0.0.1:8080/", secret: .init("s"), gate: .confirmRollout, timeout: 2.5, retries: 0,
          failureThreshold: 3, metadata: ["team": "shop"]),
        WebhookConfiguration(
          name: "c", url: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k", kind: .wecom, events: ["rollback"]),
      ])
    #expect(webhooks[0].timeout == 10 && webhooks[0].retries == 12 && webhooks[0].failureThreshold == 1)
  }

  @Test(arguments: [
    (#"[]"#, "webhooks", "is no"), (#"{"#, "webhooks", ""), (#"{}"#, "webhooks", "is missing"),
    (#"{"hooks": []}"#, "hooks", "there is no such field"),
    (#"{"webhooks": [{"url": "http://x"}]}"#, "webhooks[0].name", "is missing"),
    (#"{"webhooks": [{"name": "a"}]}"#, "webhooks[0].url", "is missing"),
    (
      #"{"webhooks": [{"name": "a", "url": "http://x", "retrys": 1}]}"#, "webhooks[0].retrys",
      "there are name, url, kind"
    ),
    (#"{"webhooks": [{"name": "a", "url": "http://x", "timeout": "5s"}]}"#, "webhooks[0].timeout", "is no Double"),
    (#"{"webhooks": [{"name": "a", "url": "http://x", "kind": "teams"}]}"#, "webhooks[0].kind", "wecom, dingtalk"),
    (#"{"webhooks": [{"name": "a", "url": "http://x", "gate": "rollin"}]}"#, "webhooks[0].gate", "confirm-rollout"),
    (#"{"webhooks": [{"name": "", "url": "http://x"}]}"#, "webhooks[0].name", "is empty"),
    (#"{"webhooks": [{"name": "a\nb", "url": "http://x"}]}"#, "webhooks[0].name", "control character"),
    (
      #"{"webhooks": [{"name": "a", "url": "http://x"}, {"name": "a", "url": "http://y"}]}"#, "webhooks[1].name",
      "webhooks[0] is called a already"
    ),
    (#"{"webhooks": [{"name": "a", "url": "ftp://x"}]}"#, "webhooks[0].url", "but ftp"),
    (#"{"webhooks": [{"name": "a", "url": "example.com"}]}"#, "webhooks[0].url", "is no URL"),
    (#"{"webhooks": [{"name": "a", "url": "http://u:p@x/"}]}"#, "webhooks[0].url", "user name"),
    (#"{"webhooks": [{"name": "a", "url": "http://x/#y"}]}"#, "webhooks[0].url", "fragment"),
    (
      #"{"webhooks": [{"name": "a", "url": "http://x/?sign=1", "kind": "dingtalk"}]}"#, "webhooks[0].url",
      "timestamp or sign"
    ),
    (
      #"{"webhooks": [{"name": "a", "url": "http://x", "kind": "slack", "secret": "s"}]}"#, "webhooks[0].secret",
      "no signature"
    ),
    (#"{"webhooks": [{"name": "a", "url": "http://x", "secret": ""}]}"#, "webhooks[0].secret", "is empty"),
    (
      #"{"webhooks": [{"name": "a", "url": "http://x", "kind": "feishu", "gate": "rollback"}]}"#, "webhooks[0].gate",
      "feishu cannot answer"
    ),
    (
      #"{"webhooks": [{"name": "a", "url": "http://x", "gate": "rollout", "events": ["x"]}]}"#, "webhooks[0].events",
      "not told of events"
    ),
    (
      #"{"webhooks": [{"name": "a", "url": "http://x", "events": ["promoted"]}]}"#, "webhooks[0].events",
      "there is no promoted"
    ),
    (#"{"webhooks": [{"name": "a", "url": "http://x", "timeout": 0}]}"#, "webhooks[0].timeout", "above 0"),
    (#"{"webhooks": [{"name": "a", "url": "http://x", "timeout": 301}]}"#, "webhooks[0].timeout", "up to 300"),
    (#"{"webhooks": [{"name": "a", "url": "http://x", "retries": -1}]}"#, "webhooks[0].retries", "it is -1"),
    (
      #"{"webhooks": [{"name": "a", "url": "http://x", "failureThreshold": 0}]}"#, "webhooks[0].failureThreshold",
      "it is 0"
    ),
  ]) func whatIsWrongIsNamed(_ json: String, _ field: String, _ words: String) {
    let error = #expect(throws: WebhookConfigurationError.self) {
      try WebhookConfiguration.list(json: Array(json.utf8), actions: ["set-weight", "promote"])
    }
    #expect(error?.field == field, "\(error as Any)")
    #expect(error?.message.contains(words) == true || words.isEmpty, "\(error as Any)")
  }

  @Test func aSecretDoesNotShow() {
    let webhook = WebhookConfiguration(name: "a", url: "http://x", secret: .init("hush-hush"))
    var dumped = ""
    dump(webhook, to: &dumped)
    for text in ["\(webhook)", String(reflecting: webhook), dumped, "\(webhook.secret as Any)"] {
      #expect(!text.contains("hush"), "\(text)")
    }
  }
}
