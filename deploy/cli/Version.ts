/** Version: that of package.json, which `start` prints; a test compares them. */
export const version = "0.1.0"
