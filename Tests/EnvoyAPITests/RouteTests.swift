import EnvoyAPI
import Testing

@Suite struct RouteTests {
  private static let type = "envoy.config.route.v3.RouteConfiguration"

  private static let shop = VirtualHost(
    name: "shop.local:80", domains: ["shop.local", "shop.local:80"],
    routes: [
      Route(
        name: "canary",
        match: RouteMatch(
          path: .exact("/buy"), ignoreCase: true,
          headers: [
            HeaderMatcher(name: "x-user", match: .exact("jo")),
            HeaderMatcher(name: "x-team", match: .prefix("a-"), inverted: true),
            HeaderMatcher(name: "x-id", match: .regex("[0-9]+")),
            HeaderMatcher(name: "x-any", match: nil),
            HeaderMatcher(name: "x-none", match: nil, inverted: true),
          ],
          queryParameters: [
            QueryParameterMatcher(name: "q", match: .exact("1")),
            QueryParameterMatcher(name: "any", match: nil),
          ]),
        action: .forward(
          .init(
            destinations: [WeightedCluster(cluster: "v1", weight: 90), WeightedCluster(cluster: "v2", weight: 0)],
            timeout: Milliseconds(2_250),
            retry: RetryPolicy(
              retryOn: "5xx,retriable-status-codes", attempts: 3, perTryTimeout: Milliseconds(1),
              retriableStatusCodes: [409, 503]),
            hashPolicy: [
              .header("x-user"), .cookie(name: "c", path: "/", ttl: Milliseconds(0)),
              .cookie(name: "d", path: "", ttl: nil), .queryParameter("q"), .sourceIP,
            ],
            pathRewrite: "/checkout", hostRewrite: "pay.local"))),
      Route(match: RouteMatch(path: .regex("/r/.*")), action: .respond(status: 503)),
    ])

  @Test func headerAndVirtualHostsMakeAConfiguration() throws {
    let plain = VirtualHost(
      name: "any", domains: ["*"],
      routes: [
        Route(match: RouteMatch(), action: .forward(.init(destinations: [WeightedCluster(cluster: "c", weight: 1)])))
      ])
    let bytes =
      RouteConfiguration.encodedHeader(name: "outbound") + Self.shop.encodedFragment() + plain.encodedFragment()
    let json = try RealProtobuf.decode(Self.type, bytes)
    #expect(
      json == """
        {
          "name": "outbound",
          "virtualHosts": [
            {
              "name": "shop.local:80",
              "domains": ["shop.local", "shop.local:80"],
              "routes": [
                {
                  "name": "canary",
                  "match": {
                    "path": "/buy",
                    "caseSensitive": false,
                    "headers": [
                      {"name": "x-user", "stringMatch": {"exact": "jo"}},
                      {"name": "x-team", "stringMatch": {"prefix": "a-"}, "invertMatch": true, "treatMissingHeaderAsEmpty": true},
                      {"name": "x-id", "stringMatch": {"safeRegex": {"googleRe2": {"maxProgramSize": 32768}, "regex": "[0-9]+"}}},
                      {"name": "x-any", "presentMatch": true},
                      {"name": "x-none", "presentMatch": true, "invertMatch": true}
                    ],
                    "queryParameters": [
                      {"name": "q", "stringMatch": {"exact": "1"}},
                      {"name": "any", "presentMatch": true}
                    ]
                  },
                  "route": {
                    "weightedClusters": {"clusters": [{"name": "v1", "weight": 90}, {"name": "v2", "weight": 0}]},
                    "prefixRewrite": "/checkout",
                    "hostRewriteLiteral": "pay.local",
                    "timeout": "2.250s",
                    "retryPolicy": {
                      "retryOn": "5xx,retriable-status-codes",
                      "numRetries": 3,
                      "perTryTimeout": "0.001s",
                      "retryHostPredicate": [{
                        "name": "envoy.retry_host_predicates.previous_hosts",
                        "typedConfig": {
                          "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                        }
                      }],
                      "hostSelectionRetryMaxAttempts": "5",
                      "retriableStatusCodes": [409, 503]
                    },
                    "hashPolicy": [
                      {"header": {"headerName": "x-user"}},
                      {"cookie": {"name": "c", "path": "/", "ttl": "0s"}},
                      {"cookie": {"name": "d"}},
                      {"queryParameter": {"name": "q"}},
                      {"connectionProperties": {"sourceIp": true}}
                    ]
                  }
                },
                {"match": {"safeRegex": {"googleRe2": {"maxProgramSize": 32768}, "regex": "/r/.*"}}, "directResponse": {"status": 503}}
              ]
            },
            {
              "name": "any",
              "domains": ["*"],
              "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c", "timeout": "0s"}}]
            }
          ]
        }
        """)
    #expect(try EnvoyJSON.json(Self.type, bytes) == json)
  }

  @Test func equalHostsHaveEqualBytes() {
    #expect(Self.shop.encodedFragment() == Self.shop.encodedFragment())
    var other = Self.shop
    other.routes.reverse()
    #expect(Self.shop.encodedFragment() != other.encodedFragment(), "the order of routes has a meaning")
  }

  @Test func theHeaderAloneIsATableWithoutHosts() throws {
    #expect(
      try RealProtobuf.decode(Self.type, RouteConfiguration.encodedHeader(name: "rc")) == #"{"name": "rc"}"#)
  }
}
