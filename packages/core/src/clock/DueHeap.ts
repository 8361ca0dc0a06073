/**
 * DueHeap: items by due time, the earliest first (a binary heap). Adding, moving, removing and taking an item cost O(log n), so
 * work on those that are due does not grow with those that are not. The unit and clock of a time are the caller's.
 * Used by ScheduleLoop, and by the gateway for its viewers.
 */

export interface DueHeap<A> {
  /** Adds the item, or moves it to another time. */
  readonly set: (item: A, due: number) => void
  readonly delete: (item: A) => void
  /** The earliest time; Infinity: none. */
  readonly first: () => number
  /** Removes and returns what is due by then, earliest first. */
  readonly take: (now: number) => Array<A>
}

interface Node<A> {
  readonly item: A
  due: number
  /** Where it stands in the heap. */
  place: number
}

export const make = <A>(): DueHeap<A> => {
  const heap: Array<Node<A>> = []
  const nodes = new Map<A, Node<A>>()
  const put = (place: number, node: Node<A>) => {
    heap[place] = node
    node.place = place
  }
  /** Moves the node to where it belongs, up or down. */
  const settle = (node: Node<A>) => {
    let { place } = node
    for (let parent = (place - 1) >> 1; place > 0 && heap[parent]!.due > node.due; parent = (place - 1) >> 1) {
      put(place, heap[parent]!)
      place = parent
    }
    for (let child = 2 * place + 1; child < heap.length; child = 2 * place + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.due < heap[child]!.due) child++
      if (heap[child]!.due >= node.due) break
      put(place, heap[child]!)
      place = child
    }
    put(place, node)
  }
  const remove = (item: A) => {
    const node = nodes.get(item)
    if (node === undefined) return
    nodes.delete(item)
    const last = heap.pop()!
    if (last === node) return
    put(node.place, last)
    settle(last)
  }
  return {
    set: (item, due) => {
      let node = nodes.get(item)
      if (node === undefined) {
        node = { item, due, place: heap.length }
        nodes.set(item, node)
        heap.push(node)
      }
      node.due = due
      settle(node)
    },
    delete: remove,
    first: () => heap[0]?.due ?? Infinity,
    take: (now) => {
      const taken: Array<A> = []
      for (let first = heap[0]; first !== undefined && first.due <= now; first = heap[0]) {
        taken.push(first.item)
        remove(first.item)
      }
      return taken
    }
  }
}
