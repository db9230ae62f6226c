from modules.bindings.prepare import prepare

prepare()
