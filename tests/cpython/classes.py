"""Finds out, from a test module's source, which of asyncio's classes each test class exercises."""

import ast

INTERESTING = frozenset({"_CTask", "_CFuture", "_PyTask", "_PyFuture", "new_test_loop", "BaseEventLoop"})


def uses_by_class(source: str) -> dict[str, frozenset[str]]:
    """Maps each top-level class to the interesting names in its body and its bases' bodies.

    The body decides, not the decorators: nearly every class is guarded by
    `skipUnless(hasattr(tasks, '_CTask'))`, whether it uses that class or not. A name counts
    both as an attribute (`tasks._CTask`) and as a string (`getattr(tasks, '_CTask')`).
    """
    nodes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    found: dict[str, frozenset[str]] = {}

    def visit(name: str) -> frozenset[str]:
        if name not in nodes:
            return frozenset()
        if name not in found:
            # Stops a malformed cycle of bases; Python itself would have refused the module.
            found[name] = frozenset()
            own = _mentions(nodes[name])
            inherited = [visit(base.id) for base in nodes[name].bases if isinstance(base, ast.Name)]
            found[name] = own.union(*inherited)
        return found[name]

    for name in nodes:
        visit(name)
    return found


def _mentions(class_node: ast.ClassDef) -> frozenset[str]:
    mentioned = set()
    for statement in class_node.body:
        for node in ast.walk(statement):
            match node:
                case ast.Attribute(attr=name) | ast.Constant(value=str(name)) if name in INTERESTING:
                    mentioned.add(name)
    return frozenset(mentioned)
