/** All that other packages may import of this one: domain, pipeline protocols, read contracts. No handler, no SDK. */
export { scanCategories, ScanCategory } from "./domain/Categories.ts"
export { CharacterActor } from "./character/CharacterActor.ts"
export { OwnershipActor, UserCharacterActor } from "./character/RewardActors.ts"
export * as Characters from "./character/Characters.ts"
export { OfferedModels } from "./model/OfferedModels.ts"
export { ScanPipeline } from "./scan/ScanPipeline.ts"
export type { ScanRequest } from "./scan/ScanPipeline.ts"
export * as ScanResult from "./scan/ScanResult.ts"
