/** Documents of CloudWatch's Embedded Metric Format. */
import type { MetricName } from "@reclose/cloudwatch"

export type Metrics = Readonly<Partial<Record<MetricName, number>>>

export interface Document {
  /** In milliseconds since 1970. */
  readonly timestamp: number
  readonly namespace: string
  /** One set of dimensions, by name: at most 30. */
  readonly dimensions: Readonly<Record<string, string>>
  readonly metrics: Metrics
  /** What is in the log alone. */
  readonly properties: Readonly<Record<string, unknown>>
}

/** One line: a document for one set of dimensions. */
export const toDocument = ({ dimensions, metrics, namespace, properties, timestamp }: Document): string =>
  JSON.stringify({
    _aws: {
      Timestamp: timestamp,
      CloudWatchMetrics: Object.keys(metrics).length === 0 ? [] : [{
        Namespace: namespace,
        Dimensions: [Object.keys(dimensions)],
        Metrics: Object.keys(metrics).map((Name) => ({ Name, Unit: "Count" }))
      }]
    },
    ...properties,
    ...dimensions,
    ...metrics
  })
