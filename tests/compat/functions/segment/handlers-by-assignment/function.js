const passThrough = async (event) => event;

const onTrack = async (event, settings) => ({ ...event, event: event.event.trim() });
let onIdentify = passThrough;
var onPage = function (event) {
  return Promise.resolve(event);
};
if (typeof settings === 'undefined') {
  onScreen = passThrough; // no declaration at all
}
this.onGroup = passThrough;
window.onAlias = passThrough;
