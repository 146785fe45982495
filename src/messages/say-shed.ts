/** Why a shed delivery was not told: of its order's story, and of the dead letter it gets when it is to be told after all. */
export const sayShed = 'Shed: so much was open for its target that it was not told of this.'
