/** Documents of CloudWatch's Embedded Metric Format. */
import type { MetricName } from "./metricNames.ts"

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

const longest = 1_024

/**
 * A text as the value of a dimension: printable ASCII, not all blank, 1,024 characters at most. What does not fit is
 * percent-encoded, and so is `%`, so that different keys stay different.
 */
export const toDimensionValue = (text: string): string => {
  const encode = text.trim() === "" ? /[^]/gu : /[^\x20-\x24\x26-\x7e]/gu
  const encoded = text.replaceAll(/\p{Surrogate}/gu, "\ufffd").replaceAll(encode, percentEncode)
  return encoded === "" ? "%00" : encoded.slice(0, longest)
}

const percentEncode = (character: string): string => {
  const encoded = encodeURIComponent(character)
  // What a URI may hold as it is: here, blanks are the only ones to be encoded that do.
  return encoded === character ? `%${character.charCodeAt(0).toString(16).toUpperCase()}` : encoded
}
