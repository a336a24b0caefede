/** The memory store is a store. */
import { CircuitStore } from "@reclose/core/CircuitStore"
import { storeConformance } from "@reclose/core/testing"

storeConformance("the memory store", CircuitStore.layerMemory, { inProcess: true })
