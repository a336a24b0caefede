/**
 * The names of circuits' metrics in CloudWatch.
 *
 * @since 0.1.0
 */
export {
  dimensions,
  type MetricName,
  type NameIssue,
  nameIssues,
  names,
  namespace,
  toDimensionValue
} from "./metricNames.ts"
