/** License containers: formats, signatures, and what an upstream finds in its folder. */
export { faultInAttestation, verifyAttestation } from "./attestation.js";
export { type CarriedCertificate, signCertificates } from "./certificate.js";
export {
  CONTAINER_SUFFIX,
  type Container,
  type ContainerTrust,
  encodeContainerFile,
  readContainerFile,
  standaloneTrust,
  trustOf,
  verifyContainer,
} from "./container-file.js";
export { type FirmItem, firmKeyId, signFirmItem } from "./firm-item.js";
export { type LoadedContainer, loadContainers } from "./load-containers.js";
export { compareTerms, itemName, type Terms, termsDigest } from "./terms.js";
