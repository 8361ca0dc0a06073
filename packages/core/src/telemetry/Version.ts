/** Version: that of all packages, as their package.json have it; a test compares them. */
export const version = "0.1.0"
