// A parent on every child: handy in the code, and no JSON.
function tree(nodes) {
  const byId = Object.fromEntries(nodes.map((n) => [n.id, { ...n, children: [] }]));
  let root = null;
  for (const node of Object.values(byId)) {
    if (node.parent == null) root = node;
    else {
      byId[node.parent].children.push(node);
      node.parent = byId[node.parent];
    }
  }
  return root;
}
const depth = (node) => 1 + Math.max(0, ...node.children.map(depth));

async function onTrack(event) {
  const root = tree(event.properties.nodes);
  event.properties.depth = depth(root);
  if (event.properties.attach) event.properties.tree = root;
  return event;
}
