/** Jobs from the queue: each is done, or stays for later, or goes to the dead letters with the reason. */
import { MalformedMessage } from "@reclose/lambda/MalformedMessage"
import * as SqsBatch from "@reclose/lambda/SqsBatch"
import type { SQSEvent, SQSRecord } from "aws-lambda"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Job from "./Job.ts"
import { Settings } from "./Settings.ts"
import { perform } from "./Worker.ts"

const handleRecord = Effect.fnUntraced(function*(record: SQSRecord) {
  const { origins } = yield* Settings
  const job = yield* Effect.mapError(
    Job.fromText(record.body, origins),
    (cause) => new MalformedMessage({ reason: cause.message, cause })
  )
  const { method, url } = job.request
  yield* perform(job).pipe(
    Effect.timed,
    Effect.tap(([took, { status }]) =>
      Effect.annotateLogs(Effect.logInfo("done"), { status, millis: Math.round(Duration.toMillis(took)) })
    ),
    // Doing it again would be answered in the same way.
    Effect.catchTag("JobRefused", (cause) => new MalformedMessage({ reason: cause.message, cause })),
    Effect.annotateLogs({ job: job.id, method, origin: url.origin, path: url.pathname })
  )
})

export const handleBatch = (event: SQSEvent) =>
  Effect.flatMap(Settings, ({ maxReceiveCount, queueUrl }) =>
    // A job that waits for a circuit is no job that fails: it is sent anew before its receives are used up.
    SqsBatch.process(event, handleRecord, { queueUrl, renew: { maxReceiveCount } }))
