/**
 * FakeNodes: for a cluster without a kubelet (KUBERNETES_NODES=fake): one node, and volumes for the claims of the bundled stores.
 * Plays the kubelet for the pods of one namespace: a pod is ready as soon as it is scheduled, one that does not restart ends with
 * exit code 0, one that is deleted goes. No container runs: what admission, controllers, scheduler and helm do is real, what the
 * roles do is not seen.
 */
import { setTimeout as delay } from "node:timers/promises"
import { Schema } from "effect"
import type { Tree } from "../chart/Chart.ts"
import type { Cluster, Named } from "./Cluster.ts"

export interface FakeNodes {
  readonly stop: () => Promise<void>
}

/** Short against the time of a rollout, long against a request. */
const tickMillis = 500
const merge = "application/merge-patch+json"

const decodeContainers = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ name: Schema.String, image: Schema.String }))
)
const containersOf = (pod: Named, field: string) => decodeContainers(pod.spec?.[field] ?? [])

const statusOf = (pod: Named, done: boolean, at: string): Tree => {
  const ready = done ? "False" : "True"
  const ended = { terminated: { exitCode: 0, reason: "Completed", startedAt: at, finishedAt: at } }
  const state = (isDone: boolean) => (isDone ? ended : { running: { startedAt: at } })
  const told = (field: string, isDone: boolean) =>
    containersOf(pod, field).map(({ image, name }) => ({
      name,
      image,
      imageID: image,
      restartCount: 0,
      ready: isDone ? field === "initContainers" : true,
      started: !isDone,
      state: state(isDone)
    }))
  return {
    phase: done ? "Succeeded" : "Running",
    startTime: at,
    podIP: "192.0.2.10",
    podIPs: [{ ip: "192.0.2.10" }],
    conditions: [
      ...["PodScheduled", "Initialized"].map((type) => ({ type, status: "True", lastTransitionTime: at })),
      ...["ContainersReady", "Ready"].map((type) => ({ type, status: ready, lastTransitionTime: at }))
    ],
    initContainerStatuses: told("initContainers", true),
    containerStatuses: told("containers", done)
  }
}

export const start = async (cluster: Cluster): Promise<FakeNodes> => {
  const name = cluster.namespace
  const made: Array<string> = []
  const make = async (path: string, object: Tree & { readonly metadata: Tree & { readonly name: string } }) => {
    const { body, status } = await cluster.ask("POST", path, object)
    if (status >= 300) throw new Error(`POST ${path}: ${status} ${JSON.stringify(body)}`)
    made.unshift(`${path}/${object.metadata.name}`)
  }
  const beat = async () => {
    const at = new Date().toISOString()
    const ready = { type: "Ready", status: "True", reason: "Fake", lastHeartbeatTime: at, lastTransitionTime: at }
    const capacity = { cpu: "64", memory: "256Gi", pods: "200", "ephemeral-storage": "100Gi" }
    const status = { capacity, allocatable: capacity, conditions: [ready] }
    await cluster.ask("PATCH", `/api/v1/nodes/${name}/status`, { status }, merge)
  }
  const play = async () => {
    const at = new Date().toISOString()
    const path = `/api/v1/namespaces/${cluster.namespace}/pods`
    for (const pod of await cluster.list(path)) {
      const own = `${path}/${pod.metadata.name}`
      const phase = pod.status?.phase
      if (pod.spec?.nodeName !== name) continue
      if (pod.metadata.deletionTimestamp !== undefined) {
        const uid = pod.metadata.uid ?? ""
        await cluster.ask("DELETE", own, { gracePeriodSeconds: 0, preconditions: { uid } })
      } else if (phase === "Pending" || (phase === "Running" && pod.spec?.restartPolicy === "Never"))
        await cluster.ask("PATCH", `${own}/status`, { status: statusOf(pod, phase === "Running", at) }, merge)
    }
  }

  await make("/api/v1/nodes", {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } }
  })
  for (const which of ["a", "b"])
    await make("/api/v1/persistentvolumes", {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: `${name}-${which}` },
      spec: {
        capacity: { storage: "10Gi" },
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: "Retain",
        hostPath: { path: "/nowhere" }
      }
    })
  await beat()

  const stopping = new AbortController()
  let failure: unknown
  const playing = (async () => {
    for (let ticks = 1; !stopping.signal.aborted; ticks++) {
      await delay(tickMillis)
      await play()
      // a node that is silent for 50 seconds is given up
      if (ticks % 10 === 0) await beat()
    }
  })().catch((error: unknown) => (failure = error))
  return {
    stop: async () => {
      stopping.abort()
      await playing
      for (const path of made) await cluster.ask("DELETE", path)
      if (failure !== undefined) throw failure
    }
  }
}
