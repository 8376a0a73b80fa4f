// The module's own shape, `new OAuth.OAuth(…)`, and the class itself, `new OAuth(…)`: both are found in functions.
const { OAuth, OAuthEcho, OAuth2 } = require("oauth");

module.exports = Object.assign(OAuth, { OAuth, OAuthEcho, OAuth2 });
