/**
 * CDK constructs for circuits: the table they are shared in, alarms, and a dashboard.
 *
 * @since 0.1.0
 */
export { type AlarmActions, type AlarmSettings, CircuitAlarms, type CircuitAlarmsProps } from "./CircuitAlarms.ts"
export { CircuitDashboard, type CircuitDashboardProps } from "./CircuitDashboard.ts"
export * as CircuitMetrics from "./CircuitMetrics.ts"
export { CircuitTable, type CircuitTableProps, type GrantOptions } from "./CircuitTable.ts"
export { WorkerAlarms, type WorkerAlarmsProps } from "./WorkerAlarms.ts"
