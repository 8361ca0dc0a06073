/**
 * ImageHosts: the hosts whose pictures are accepted by address (IMAGE_HOSTS). Gateways refuse other hosts at submit; workers
 * check again, at every redirect of a picture that they fetch themselves.
 */
import { Setting } from "@eco2/core/client"

const list = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .filter((part) => part !== "")

/** IMAGE_HOSTS: hosts an image_url may name, comma list, subdomains included. Default: any public host. */
export const ImageHosts = Setting.parsed<ReadonlyArray<string>>("IMAGE_HOSTS", {
  default: [],
  allowed: "a comma list of host names",
  parse: (text) => (list(text).every((host) => /^[a-z0-9.-]+$/.test(host)) ? list(text) : undefined)
})

/** Whether a host, as URLs write it, is in the list or a subdomain of an entry; every host is if the list is empty. */
export const isListed = (host: string, hosts: ReadonlyArray<string>): boolean =>
  hosts.length === 0 || hosts.some((name) => host === name || host.endsWith(`.${name}`))
