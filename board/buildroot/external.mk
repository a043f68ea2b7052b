include $(sort $(wildcard $(BR2_EXTERNAL_PAWL_PATH)/package/*/*.mk))
